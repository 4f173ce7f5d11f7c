"""The windows of the judged period, in memory, added up per stream.

Time is cut into slots; a slot is forgotten whole, so what is judged spans the judged period plus
at most one slot, and depends only on which windows the store holds: a controller that restarts
and reads them back judges the same. A slot's aggregates are merged by whoever judges, in its
thread; the event loop only appends.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.ingest.ingest import MAX_AHEAD_NS
from controller.store.aggregate import Aggregate, aggregate_of, blank, end_to_end, taken
from controller.store.merging import in_batches, in_blocks, merge, merge_by_blocks
from probes.window import WindowBatch

SLOTS = 15
_SIGNED = (np.int8, np.int16, np.int32, np.int64)


class RecentWindows:
    """What a set of streams did lately. Streams are numbered by their place in `stream_ids`."""

    def __init__(self, stream_ids: Sequence[int], period_ns: int, slots: int = SLOTS) -> None:
        ids = np.array(stream_ids, np.uint64)
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]
        self._period_ns = period_ns
        self._slot_ns = max(1, period_ns // slots)
        self._slots: dict[int, list[Aggregate]] = {}

    @property
    def rows(self) -> int:
        """How many streams."""
        return len(self._sorted)

    def horizon_ns(self, now_ns: int) -> int:
        """Return the earliest `start_ns` that counts at `now_ns`."""
        return (now_ns - self._period_ns) // self._slot_ns * self._slot_ns

    def add(self, batch: WindowBatch, excluded: NDArray[np.bool_] | None = None) -> None:
        """Take in the windows of one chunk; streams that are no longer planned are left out.

        `excluded` bool[rows]: streams whose windows do not count now (maintenance).
        """
        row = self._rows_of(batch.stream_id)
        planned = row >= 0
        if excluded is not None and self.rows:
            planned &= ~excluded[row]
        if planned.any():
            here = np.flatnonzero(planned)
            here = here[np.argsort(row[here])]
            aggregate = _compact_integers(aggregate_of(batch, here, row[here]))
            self._slots.setdefault(batch.start_ns // self._slot_ns, []).append(aggregate)

    def add_aggregate(
        self, start_ns: int, stream_ids: NDArray[np.uint64], aggregate: Aggregate
    ) -> None:
        """Take in what is merged already: row i of `aggregate` is stream `stream_ids[i]`."""
        row = self._rows_of(stream_ids)
        found = _renumbered(replace(aggregate, row=np.arange(len(row))), row)
        if len(found.row):
            self._slots.setdefault(start_ns // self._slot_ns, []).append(_compact_integers(found))

    def renumbered(self, stream_ids: Sequence[int]) -> RecentWindows:
        """Return the same windows for another list of streams; those not in it are forgotten."""
        renewed = RecentWindows(stream_ids, self._period_ns)
        renewed._slot_ns = self._slot_ns
        ids = np.empty_like(self._sorted)
        ids[self._order] = self._sorted
        row = renewed._rows_of(ids)
        for slot, aggregates in self._slots.items():
            kept = [_renumbered(aggregate, row) for aggregate in aggregates]
            renewed._slots[slot] = [aggregate for aggregate in kept if len(aggregate.row)]
        return renewed

    def _rows_of(self, stream_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the numbers of streams, -1 of those that are not among ours."""
        if not self.rows:
            return np.full(len(stream_ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self._sorted, stream_ids), self.rows - 1)
        return np.where(self._sorted[at] == stream_ids, self._order[at], -1)

    def forget(self, now_ns: int) -> None:
        """Drop the slots that lie wholly before the judged period."""
        oldest = self.horizon_ns(now_ns) // self._slot_ns
        for slot in [slot for slot in self._slots if slot < oldest]:
            del self._slots[slot]

    def leave_out(self, times: Sequence[tuple[NDArray[np.int64], int, int]]) -> None:
        """Forget what is here of streams (by row) in from_ns ≤ t < to_ns, for each of `times`.

        Slots are forgotten whole: what is not judged any more takes up to a slot with it.
        """
        for slot, aggregates in self._slots.items():
            first_ns, last_ns = slot * self._slot_ns, (slot + 1) * self._slot_ns
            gone = [
                rows for rows, from_ns, to_ns in times if first_ns < to_ns and from_ns < last_ns
            ]
            if gone:
                rows = np.unique(np.concatenate(gone))
                kept = [taken(p, np.flatnonzero(~np.isin(p.row, rows))) for p in aggregates]
                self._slots[slot] = [aggregate for aggregate in kept if len(aggregate.row)]

    def compact(self) -> None:
        """Add up the aggregates of each slot now: for one thread that fills it and has it to
        itself.
        """
        snapshot = self.snapshot()
        self.replace(snapshot, self.merged(snapshot))

    def snapshot(self, now_ns: int | None = None) -> dict[int, tuple[Aggregate, ...]]:
        """Return the aggregates of each slot; they never change, so another thread may merge them.

        At `now_ns` without slots beyond MAX_AHEAD_NS: our clock was set back, and they wait.
        """
        last = None if now_ns is None else (now_ns + MAX_AHEAD_NS) // self._slot_ns
        return {
            slot: tuple(aggregates)
            for slot, aggregates in self._slots.items()
            if last is None or slot <= last
        }

    def replace(
        self, snapshot: dict[int, tuple[Aggregate, ...]], merged: dict[int, Aggregate]
    ) -> None:
        """Put each slot's merged aggregate in the place of those it was made from."""
        for slot, aggregate in merged.items():
            aggregates, before = self._slots.get(slot), snapshot[slot]
            # What was left out meanwhile must not come back.
            if aggregates is None or len(aggregates) < len(before):
                continue
            if all(map(operator.is_, aggregates, before)):
                aggregates[: len(before)] = [aggregate]

    def merged(self, snapshot: Mapping[int, Sequence[Aggregate]]) -> dict[int, Aggregate]:
        """Return each slot as one aggregate, in the order of time. Pure."""
        return {
            slot: aggregates[0] if len(aggregates) == 1 else self._merge_by_batches(aggregates)
            for slot, aggregates in sorted(snapshot.items())
        }

    def _merge_by_batches(self, aggregates: Sequence[Aggregate]) -> Aggregate:
        merged = [
            some[0] if len(some) == 1 else _compact_integers(merge(some, self.rows))
            for some in in_batches(aggregates)
        ]
        blocks = in_blocks(merged, self.rows)
        return end_to_end([_compact_integers(merge(some, self.rows)) for some in blocks])

    def whole(self, slots: Mapping[int, Aggregate]) -> Aggregate:
        """Return merged slots as one aggregate with every stream: for few, it has all their
        windows.
        """
        return merge_by_blocks([blank(self.rows), *slots.values()], self.rows)


def _renumbered(aggregate: Aggregate, row: NDArray[np.int64]) -> Aggregate:
    """Return an aggregate whose stream i is now `row[i]`, ascending, without those that are -1."""
    now = row[aggregate.row]
    places = np.flatnonzero(now >= 0)
    places = places[np.argsort(now[places], kind="stable")]
    if len(places) == len(now) and (places[1:] > places[:-1]).all():
        return replace(aggregate, row=now)
    return replace(taken(aggregate, places), row=now[places])


def _compact_integers(aggregate: Aggregate) -> Aggregate:
    """Return an aggregate whose whole numbers are as short as they can be: half the memory of
    a slot.
    """
    distributions = {
        name: replace(each, count=_short(each.count))
        for name, each in aggregate.distributions.items()
    }
    windows = replace(
        aggregate.windows, sent=_short(aggregate.windows.sent), lost=_short(aggregate.windows.lost)
    )
    counters = {name: _short(column) for name, column in aggregate.counters.items()}
    return replace(aggregate, distributions=distributions, windows=windows, counters=counters)


def _short(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers ≥ 0 in fewer bytes; signed, so that sums of them are int64 again."""
    most = int(values.max()) if len(values) else 0
    shortest: Any = next(kind for kind in _SIGNED if most <= np.iinfo(kind).max)
    answer: NDArray[np.int64] = values.astype(shortest)
    return answer
