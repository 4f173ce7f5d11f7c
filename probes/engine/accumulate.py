"""Finished probes gathered into windows.

A finished probe is one row of `Finished`; a window keeps the rows that belong to it until it is
closed and then sums them up, exactly, in one pass of sorting and counting.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes import measures
from probes.channels.discarded import not_sent_causes
from probes.histogram import Histograms
from probes.measures import NOT_SENT, Floats
from probes.sockets.records import grouped, sorted_within
from probes.window import COUNTERS, FlowColumns, WindowBatch

_ECN_BITS = 2  # of the IP header's octet, below the DSCP (RFC 2474, RFC 3168)

_USUAL_TTLS = np.array([64.0, 128.0, 255.0])  # what hosts send with

OUTCOMES = (
    "received",
    "late",
    "lost_forward",
    "lost_backward",
    "lost_unknown",
    "unread",
    "not_sent",
)
RECEIVED, LATE, LOST_FORWARD, LOST_BACKWARD, LOST_UNKNOWN, UNREAD, WAS_NOT_SENT = range(7)


def _hops_by_ttl() -> NDArray[np.float16]:
    """Return for each TTL how many routers took from the usual TTL above it; NaN for 0."""
    ttl = np.arange(256)
    hops = _USUAL_TTLS[np.searchsorted(_USUAL_TTLS, ttl)] - ttl
    return np.where(ttl == 0, np.nan, hops).astype(np.float16)


_HOPS_SINCE = _hops_by_ttl()


def hops_since(ttl: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return how many routers packets came by, judged by the TTL they arrived with."""
    hops: NDArray[np.float16] = _HOPS_SINCE[ttl]
    return hops


@dataclass(frozen=True, slots=True)
class Finished:
    """n probes whose outcome is known; delays are float64[n], NaN where there is none.

    `variation_ns`: |this round trip - that of the neighbouring probe| of the same flow, NaN where
    the neighbour was lost. Outcome indexes OUTCOMES, timestamping indexes window.TIMESTAMPING;
    `cause` tells why no answer came (probes.causes) or counts (a negative number,
    probes.channels.discarded), 0 where that is not known. `tos`: DSCP and ECN of the IP header as
    it left, as the far end saw it and as the answer had it; -1 unknown. `ttl`: of the answer as it
    came; 0 unknown.
    """

    window: NDArray[np.int64]
    stream: NDArray[np.int32]
    flow: NDArray[np.uint16]
    sequence: NDArray[np.int64]
    sent_wall_ns: NDArray[np.int64]
    send_lag_ns: NDArray[np.float32]
    rtt_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]
    bound_ns: NDArray[np.float64]
    variation_ns: NDArray[np.float64]
    hops_forward: NDArray[np.float16]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.uint8]
    tos_forward: NDArray[np.int16]
    tos_backward: NDArray[np.int16]
    outcome: NDArray[np.uint8]
    timestamping: NDArray[np.uint8]
    answer: NDArray[np.uint8]
    reordered: NDArray[np.bool_]
    cause: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.window)

    @property
    def discarded(self) -> NDArray[np.bool_]:
        """Which were lost although an answer came, of no use."""
        lost = (self.outcome >= LOST_FORWARD) & (self.outcome < UNREAD)
        return (self.cause < 0) & lost

    def dscp_changed(self, seen: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Tell which answered probes were seen with another DSCP than they left with."""
        changed: NDArray[np.bool_] = (seen ^ self.tos) >> _ECN_BITS != 0
        changed &= (seen >= 0) & (self.outcome == RECEIVED)
        return changed

    def take(self, index: NDArray[Any]) -> Finished:
        """Return the rows chosen by an index or a mask."""
        return Finished(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def join(parts: list[Finished]) -> Finished:
        """Return the rows of all parts."""
        if len(parts) == 1:
            return parts[0]
        columns = ([getattr(part, field.name) for part in parts] for field in fields(Finished))
        return Finished(*(np.concatenate(column) for column in columns))


class Window:
    """One open interval: its finished probes, and what happened beside them.

    It begins at `start_ns` of the wall clock and ends at `end_ns` of the monotonic one.
    """

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self._parts: list[Finished] = []
        self._duplicates: list[NDArray[np.int32]] = []
        self._skipped: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        self.stalled_ns = 0  # how long the engine stood still meanwhile
        self.suspect = False

    def add(self, finished: Finished) -> None:
        """Keep finished probes of this window."""
        self._parts.append(finished)

    def add_duplicates(self, stream: NDArray[np.int32]) -> None:
        """Count one duplicate answer for each stream number given."""
        self._duplicates.append(stream)

    def add_skipped(self, stream: NDArray[np.int32], count: NDArray[np.int64]) -> None:
        """Count probes of each stream number given that were due and left out."""
        self._skipped.append((stream, count))

    def close(self, duration_ns: int, stream_ids: NDArray[np.uint64]) -> WindowBatch:
        """Sum up. `stream_ids` gives the identity of each stream number."""
        if not self._parts:
            return WindowBatch.empty(self.start_ns, duration_ns)
        probes = Finished.join(self._parts)
        stream, row = _by_identity(probes.stream, stream_ids)
        found = _Found(probes, row, len(stream))
        counters = _counters(probes, row, len(stream))
        for counter in measures.COUNTERS:
            if counter.count is not None:
                counters[counter.name] = counter.count(found)
        for repeated in self._duplicates:  # every one of a probe that is among `probes`
            place = np.searchsorted(stream, stream_ids[repeated])
            np.add.at(counters["duplicate"], place, np.uint32(1))
        for number, count in self._skipped:
            place = np.minimum(np.searchsorted(stream, stream_ids[number]), len(stream) - 1)
            here = stream[place] == stream_ids[number]  # or it was in flight when all ended
            skipped = counters["not_sent_skipped"]
            np.add.at(skipped, place[here], count[here].astype(np.uint32))
        return WindowBatch(
            start_ns=self.start_ns,
            duration_ns=duration_ns,
            ended_ns=self.end_ns,
            stream_id=stream,
            counters=counters,
            measures={value.name: value.summarise(found) for value in measures.VALUES},
            distributions={
                one.name: found.histograms(one.column) for one in measures.DISTRIBUTIONS
            },
            timestamping=_worst_timestamping(probes, row, len(stream), found.answered),
            suspect=np.full(len(stream), self.suspect),
            flows=_flows(probes, row, len(stream)),
        )


class _Found:
    """The probes of a window to be summed up; see `measures.FinishedProbes`."""

    def __init__(self, probes: Finished, row: NDArray[np.int64], rows: int) -> None:
        self.probes, self._row, self._rows = probes, row, rows
        self.answered = probes.outcome == RECEIVED
        self._summaries: dict[str, tuple[Floats, Floats, Floats]] = {}

    def count(self, which: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Return how many of each stream's probes are among `which`."""
        if not which.any():
            return np.zeros(self._rows, np.uint32)
        return np.bincount(self._row[which], minlength=self._rows).astype(np.uint32)

    def least(self, column: str) -> Floats:
        """Return the least value of a column."""
        return self._summary(column)[0]

    def mean(self, column: str) -> Floats:
        """Return the mean."""
        return self._summary(column)[1]

    def greatest(self, column: str) -> Floats:
        """Return the greatest value."""
        return self._summary(column)[2]

    def histograms(self, column: str) -> Histograms:
        """Count the values that exist into one histogram a stream."""
        value = getattr(self.probes, column)
        return Histograms.from_samples(*_known(self._row, value, self.answered), self._rows)

    def send_lag(self) -> tuple[Floats, Floats]:
        """Return (mean, greatest) of how much later than planned probes left, answered or not."""
        if "" not in self._summaries:
            left = self.probes.outcome != WAS_NOT_SENT
            lag_ns = _known(self._row, self.probes.send_lag_ns, left)
            self._summaries[""] = _summary(*lag_ns, self._rows)
        return self._summaries[""][1:]

    def clock_bound(self) -> Floats:
        """Return the widest clock bound; NaN if any one-way delay has none."""
        one_way = self.answered & ~np.isnan(self.probes.forward_ns)
        place, bound_ns = _known(self._row, self.probes.bound_ns, one_way)
        trusted = np.bincount(place, minlength=self._rows)
        complete = np.bincount(self._row[one_way], minlength=self._rows) == trusted
        return np.where(complete, _summary(place, bound_ns, self._rows)[2], np.nan)

    def hops_backward(self) -> Floats:
        """Return the mean count of routers that answers came by."""
        hops = hops_since(self.probes.ttl)
        return _summary(*_known(self._row, hops, self.answered), self._rows)[1]

    def dscp(self, way: str) -> Floats:
        """Return the DSCP that was seen most."""
        place, tos = self._tos(way)
        if not len(tos):
            return np.full(self._rows, np.nan)
        return _commonest(place, tos >> _ECN_BITS, self._rows)

    def ecn(self, way: str) -> Floats:
        """Return the highest ECN code point that was seen."""
        place, tos = self._tos(way)
        if not len(tos):
            return np.full(self._rows, np.nan)
        return _summary(place, (tos & ((1 << _ECN_BITS) - 1)).astype(np.float64), self._rows)[2]

    def _tos(self, way: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the octets that were seen, and the rows of their probes."""
        seen: NDArray[np.int16] = getattr(self.probes, f"tos_{way}")
        known = self.answered & (seen >= 0)
        return self._row[known], seen[known].astype(np.int64)

    def _summary(self, column: str) -> tuple[Floats, Floats, Floats]:
        if column not in self._summaries:
            known = _known(self._row, getattr(self.probes, column), self.answered)
            self._summaries[column] = _summary(*known, self._rows)
        return self._summaries[column]


def _by_identity(
    number: NDArray[np.int32], stream_ids: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the identities of streams in ascending order, and the place of each probe's."""
    present = np.flatnonzero(np.bincount(number))
    identity, place = grouped(stream_ids[present])
    place_of = np.zeros(len(stream_ids), np.int64)
    place_of[present] = place
    return identity, place_of[number]


def _counters(probes: Finished, row: NDArray[np.int64], rows: int) -> dict[str, NDArray[np.uint32]]:
    """Count the outcomes of each row."""
    counters = {name: np.zeros(rows, np.uint32) for name in COUNTERS}
    label = row * len(OUTCOMES) + probes.outcome
    outcomes = (
        np.bincount(label, minlength=rows * len(OUTCOMES)).reshape(rows, -1).astype(np.uint32)
    )
    for outcome, name in enumerate(OUTCOMES[:WAS_NOT_SENT]):
        counters[name] = outcomes[:, outcome].copy()
    counters["sent"] = outcomes[:, :WAS_NOT_SENT].sum(axis=1, dtype=np.uint32)
    unsent = np.flatnonzero(probes.outcome == WAS_NOT_SENT)
    if len(unsent):
        label = row[unsent] * len(NOT_SENT) + not_sent_causes(probes.cause[unsent])
        causes = np.bincount(label, minlength=rows * len(NOT_SENT)).reshape(rows, -1)
        for cause, name in enumerate(NOT_SENT):
            counters[f"not_sent_{name}"] = causes[:, cause].astype(np.uint32)
    return counters


def _commonest(row: NDArray[np.int64], value: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """Return the value below 256 that each row has most often, NaN where it has none."""
    first = int(value[0])
    if (value == first).all():  # as it nearly always is
        return np.where(np.bincount(row, minlength=rows) > 0, float(first), np.nan)
    label, count = np.unique(row << 8 | value, return_counts=True)
    order = np.argsort(count, kind="stable")
    answer = np.full(rows, np.nan)
    answer[label[order] >> 8] = label[order] & 0xFF  # the last written is the commonest
    return answer


def _known(
    row: NDArray[np.int64], value: NDArray[Any], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the wanted values that exist, and their rows."""
    chosen = wanted & ~np.isnan(value)
    if not chosen.all():
        row, value = row[chosen], value[chosen]
    return row, value.astype(np.float64, copy=False)


def _summary(
    row: NDArray[np.int64], value: NDArray[np.float64], rows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (least, mean, greatest) of the values of each row."""
    low, high = np.full(rows, np.inf), np.full(rows, -np.inf)
    np.minimum.at(low, row, value)
    np.maximum.at(high, row, value)
    count = np.bincount(row, minlength=rows)
    total = np.bincount(row, value, rows)
    some = count > 0
    mean = np.divide(total, count, out=np.full(rows, np.nan), where=some)
    return np.where(some, low, np.nan), mean, np.where(some, high, np.nan)


def _worst_timestamping(
    probes: Finished, row: NDArray[np.int64], rows: int, answered: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the least trustworthy timestamping among each row's delays; 0 (none) without any."""
    worst = np.full(rows, 255, np.uint8)
    np.minimum.at(worst, row[answered], probes.timestamping[answered])
    return np.where(worst == 255, 0, worst).astype(np.uint8)


def _flows(probes: Finished, row: NDArray[np.int64], rows: int) -> FlowColumns:
    """Sum up every flow of every row, ordered by row and flow."""
    sent = probes.outcome != WAS_NOT_SENT
    label = row[sent] * 65_536 + probes.flow[sent]
    unique, group = grouped(label)
    outcome, rtt_ns = probes.outcome[sent], probes.rtt_ns[sent]
    received = outcome == RECEIVED
    count = np.bincount(group, minlength=len(unique))
    good = np.bincount(group[received], minlength=len(unique))
    unread = np.bincount(group[outcome == UNREAD], minlength=len(unique))
    return FlowColumns(
        indptr=np.searchsorted(unique, np.arange(rows + 1) * 65_536).astype(np.int64),
        flow=(unique % 65_536).astype(np.uint16),
        sent=count.astype(np.uint32),
        lost=(count - good - unread).astype(np.uint32),
        rtt_p50_ns=_medians(group[received], rtt_ns[received], good),
    )


def _medians(
    group: NDArray[np.int64], value: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the 50th percentile of each group (RFC 2330 §11.3); NaN where it is empty."""
    ordered = sorted_within(group, value)
    start = np.cumsum(count) - count
    median = np.full(len(count), np.nan)
    some = count > 0
    median[some] = ordered[(start + (count - 1) // 2)[some]]
    return median
