"""The windows a controller has stored, as its API reports them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.number_types import LARGEST
from lab.fleet.api_client import ApiClient

# A clock that is ahead makes windows that begin later than now.
_AT_ANY_TIME = {"from_ns": "0", "to_ns": str(LARGEST)}


@dataclass(frozen=True, slots=True)
class StoredWindows:
    """m windows: `stream_id` uint64, `start_ns`, `duration_ns`, `sent`, `received_ns` (when the
    controller got it) int64, `rtt_p50_ns` f64, `suspect` bool.

    `rtt_p50_ns` is the median of the window's flows' exact medians, NaN without an answer.
    """

    stream_id: NDArray[np.uint64]
    start_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    sent: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    rtt_p50_ns: NDArray[np.float64]
    suspect: NDArray[np.bool_]

    def judged(self, from_ns: int, judged_ns: int) -> StoredWindows:
        """Return the windows that a round at `judged_ns` with horizon `from_ns` was based on."""
        return self._take((self.start_ns >= from_ns) & (self.received_ns <= judged_ns))

    def of(self, stream_id: int) -> StoredWindows:
        """Return the windows of one stream."""
        return self._take(self.stream_id == np.uint64(stream_id))

    def counted(self) -> StoredWindows:
        """Return the windows of one stream that a verdict is based on: those which the machine did
        not measure while it was starved, if there are any."""
        return self if self.suspect.all() else self._take(~self.suspect)

    def hold(self, sent_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these times lie in one of these windows of one stream."""
        order = np.argsort(self.start_ns)
        start_ns, duration_ns = self.start_ns[order], self.duration_ns[order]
        at = np.searchsorted(start_ns, sent_ns, "right") - 1
        held: NDArray[np.bool_] = (at >= 0) & (sent_ns < (start_ns + duration_ns)[at])
        return held

    def _take(self, chosen: NDArray[np.bool_]) -> StoredWindows:
        return StoredWindows(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Continuity:
    """Whether every stream's windows follow each other without a gap and without a repeat: how
    many are `missing` or there `twice`; and how many were measured by a `starved` machine."""

    streams: int
    windows: int
    missing: int
    twice: int
    starved: int
    probes: int


async def read_stored(api: ApiClient) -> StoredWindows:
    """Return every window a running controller has stored. Raises ResourceError if it reports
    less than all of them."""
    windows: list[dict[str, Any]] = []
    for path in await api.items("paths", whole=True):
        windows += await api.items("windows", whole=True, path=path["id"], **_AT_ANY_TIME)
    return windows_of(windows)


def windows_of(documents: Sequence[Mapping[str, Any]]) -> StoredWindows:
    """Return windows as the API reports them as one set of columns."""

    def column(name: str, kind: type) -> NDArray[Any]:
        return np.array([document[name] for document in documents], kind)

    return StoredWindows(
        stream_id=np.array([int(document["stream_id"]) for document in documents], np.uint64),
        start_ns=column("start_ns", np.int64),
        duration_ns=column("duration_ns", np.int64),
        sent=column("sent", np.int64),
        received_ns=column("received_ns", np.int64),
        rtt_p50_ns=np.array([_median(document["flows"]) for document in documents], np.float64),
        suspect=column("suspect", np.bool_),
    )


def _median(flows: Sequence[Mapping[str, Any]]) -> float:
    """Return the median of the medians of a window's flows, NaN without an answer."""
    known = [flow["rtt_p50_ns"] for flow in flows if flow["rtt_p50_ns"] is not None]
    return float(np.median(known)) if known else math.nan


def continuity_of(windows: StoredWindows, seen: Iterable[tuple[Sequence[int], int]]) -> Continuity:
    """Look for gaps and repeats between the first and the last window of each stream.

    `seen` has (streams, probes of theirs that entered the network). Where the windows report as
    many, a gap is a time in which nothing was sent, since the machine stood still, and no window
    is missing.
    """
    missing = twice = streams = 0
    for alike, probes in seen:
        of_these = [windows.of(stream_id) for stream_id in alike]
        told = sum(int(own.sent.sum()) for own in of_these)
        for own in of_these:
            step = np.diff(np.sort(own.start_ns))
            streams += len(own.start_ns) > 0
            twice += int((step == 0).sum())
            if probes > told:
                missing += int((step[step > 0] // own.duration_ns[0] - 1).sum())
    return Continuity(
        streams=streams,
        windows=len(windows.stream_id),
        missing=missing,
        twice=twice,
        starved=int(windows.suspect.sum()),
        probes=int(windows.sent.sum()),
    )
