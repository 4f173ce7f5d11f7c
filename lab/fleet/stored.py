"""The windows a controller has stored, read from its store after it has stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.store.sqlite.engine import SqliteStore
from messages.chunk import decode_chunk
from probes.window import WindowBatch


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
        """Return the windows that a round at `judged_ns` with horizon `from_ns` rested on."""
        return self._take((self.start_ns >= from_ns) & (self.received_ns <= judged_ns))

    def of(self, stream_id: int) -> StoredWindows:
        """Return the windows of one stream."""
        return self._take(self.stream_id == np.uint64(stream_id))

    def counted(self) -> StoredWindows:
        """Return the windows of one stream that a verdict rests on: those which the machine did not
        measure while it was starved, if there are any."""
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


def read_stored(data: Path) -> StoredWindows:
    """Read every window in the controller's data directory."""
    store = SqliteStore(data)
    try:
        chunks = list(store.windows.chunks_since(0))
    finally:
        store.close()
    batches = [decode_chunk(chunk.payload).batch for chunk in chunks]
    return windows_of(batches, [chunk.received_ns for chunk in chunks])


def windows_of(batches: Sequence[WindowBatch], received_ns: Sequence[int]) -> StoredWindows:
    """Return the windows of many batches as one set of columns."""
    if not batches:
        none = (np.zeros(0, np.int64),) * 4
        return StoredWindows(np.zeros(0, np.uint64), *none, np.zeros(0), np.zeros(0, np.bool_))
    rows = [batch.rows for batch in batches]
    return StoredWindows(
        stream_id=np.concatenate([batch.stream_id for batch in batches]),
        start_ns=np.repeat([batch.start_ns for batch in batches], rows),
        duration_ns=np.repeat([batch.duration_ns for batch in batches], rows),
        sent=np.concatenate([b.counters["sent"].astype(np.int64) for b in batches]),
        received_ns=np.repeat(np.asarray(received_ns, np.int64), rows),
        rtt_p50_ns=np.concatenate([_medians(batch) for batch in batches]),
        suspect=np.concatenate([batch.suspect for batch in batches]),
    )


def _medians(batch: WindowBatch) -> NDArray[np.float64]:
    """Return for each window the median of its flows' medians."""
    medians = np.full(batch.rows, np.nan)
    flows = batch.flows
    for i in range(batch.rows):
        of_flows = flows.rtt_p50_ns[flows.indptr[i] : flows.indptr[i + 1]]
        known = of_flows[~np.isnan(of_flows)]
        if len(known):
            medians[i] = np.median(known)
    return medians


def continuity_of(windows: StoredWindows, seen: Iterable[tuple[Sequence[int], int]]) -> Continuity:
    """Look for gaps and repeats between the first and the last window of each stream.

    `seen` has (streams, probes of theirs that entered the network). Where the windows tell of as
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
