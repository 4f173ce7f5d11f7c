"""Finished probes gathered into windows.

A finished probe is one row of `Finished`; a window keeps the rows that belong to it until it is
closed and then sums them up, exactly, in one pass of sorting and counting.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.channels.discarded import not_sent_causes
from probes.histogram import Histograms
from probes.sockets.records import grouped, sorted_within
from probes.window import COUNTERS, MEASURES, NOT_SENT, FlowColumns, WindowBatch

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
        counters = _counters(probes, row, len(stream))
        for repeated in self._duplicates:  # every one of a probe that is among `probes`
            place = np.searchsorted(stream, stream_ids[repeated])
            np.add.at(counters["duplicate"], place, np.uint32(1))
        for number, count in self._skipped:
            place = np.minimum(np.searchsorted(stream, stream_ids[number]), len(stream) - 1)
            here = stream[place] == stream_ids[number]  # or it was in flight when all ended
            skipped = counters["not_sent_skipped"]
            np.add.at(skipped, place[here], count[here].astype(np.uint32))
        answered = probes.outcome == RECEIVED
        return WindowBatch(
            start_ns=self.start_ns,
            duration_ns=duration_ns,
            ended_ns=self.end_ns,
            stream_id=stream,
            counters=counters,
            measures=_measures(probes, row, len(stream), answered),
            distributions={
                "rtt": _histograms(row, probes.rtt_ns, answered, len(stream)),
                "forward": _histograms(row, probes.forward_ns, answered, len(stream)),
                "backward": _histograms(row, probes.backward_ns, answered, len(stream)),
                "variation": _histograms(row, probes.variation_ns, answered, len(stream)),
            },
            timestamping=_worst_timestamping(probes, row, len(stream), answered),
            suspect=np.full(len(stream), self.suspect),
            flows=_flows(probes, row, len(stream)),
        )


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
    marked = {
        "reordered": probes.reordered,
        "discarded": (probes.cause < 0)
        & (probes.outcome >= LOST_FORWARD)
        & (probes.outcome < UNREAD),
        "dscp_changed_forward": _dscp_changed(probes, probes.tos_forward),
        "dscp_changed_backward": _dscp_changed(probes, probes.tos_backward),
    }
    for name, mark in marked.items():
        if mark.any():
            counters[name] = np.bincount(row[mark], minlength=rows).astype(np.uint32)
    return counters


def _dscp_changed(probes: Finished, seen: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Tell which answered probes were seen with another DSCP than they left with."""
    changed: NDArray[np.bool_] = (seen ^ probes.tos) >> _ECN_BITS != 0
    changed &= (seen >= 0) & (probes.outcome == RECEIVED)
    return changed


def _measures(
    probes: Finished, row: NDArray[np.int64], rows: int, answered: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the exact summaries of each row, NaN where there is nothing to summarise."""
    measures = {name: np.full(rows, np.nan) for name in MEASURES}
    for name in ("rtt", "forward", "backward"):
        low, mean, high = _summary(*_known(row, getattr(probes, f"{name}_ns"), answered), rows)
        measures[f"{name}_min_ns"] = low
        measures[f"{name}_mean_ns"] = mean
        measures[f"{name}_max_ns"] = high
    late_ns = _known(row, probes.send_lag_ns, probes.outcome != WAS_NOT_SENT)
    _, mean, high = _summary(*late_ns, rows)
    measures["send_lag_mean_ns"], measures["send_lag_max_ns"] = mean, high
    measures["clock_bound_ns"] = _bound(probes, row, rows, answered)
    hops = {"hops_forward": probes.hops_forward, "hops_backward": hops_since(probes.ttl)}
    for name, count in hops.items():
        measures[name] = _summary(*_known(row, count, answered), rows)[1]
    for way in ("forward", "backward"):
        seen = getattr(probes, f"tos_{way}")
        known = answered & (seen >= 0)
        if known.any():
            place, tos = row[known], seen[known].astype(np.int64)
            measures[f"dscp_{way}"] = _commonest(place, tos >> _ECN_BITS, rows)
            ecn = (tos & ((1 << _ECN_BITS) - 1)).astype(np.float64)
            measures[f"ecn_{way}"] = _summary(place, ecn, rows)[2]
    return measures


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


def _bound(
    probes: Finished, row: NDArray[np.int64], rows: int, answered: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the widest clock bound of each row; NaN if any of its one-way delays has none."""
    one_way = answered & ~np.isnan(probes.forward_ns)
    place, bound_ns = _known(row, probes.bound_ns, one_way)
    trusted = np.bincount(place, minlength=rows)
    complete = np.bincount(row[one_way], minlength=rows) == trusted
    return np.where(complete, _summary(place, bound_ns, rows)[2], np.nan)


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


def _histograms(
    row: NDArray[np.int64], value: NDArray[np.float64], answered: NDArray[np.bool_], rows: int
) -> Histograms:
    """Count the values that exist into one histogram a row."""
    return Histograms.from_samples(*_known(row, value, answered), rows)


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
