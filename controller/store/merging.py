"""Windows of many chunks added up per stream: pure arrays, the same result in any order.

Where a stream has windows that the machine measured while it was starved (`suspect`), they count
only if there are no others; one-way delays of windows whose clocks were not trusted count only if
no window of the stream had trusted clocks. Applied slot by slot or at once, the rule gives the
same.

Many parts are added up some streams at a time, so that the work needs little memory beside them:
sorting the histograms' entries of fifteen slots of 20,000 streams at once takes more than a
gigabyte; of 1,000 streams 20 MB, and is no slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import (
    DELAYS,
    MERGED,
    WINDOW_COLUMNS,
    Aggregate,
    Floats,
    Integers,
    WindowSeries,
    aggregate_of,
    end_to_end,
    joined_column,
    rows_of,
)
from foundation.ragged import indptr_of
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, TIMESTAMPING, WindowBatch

_ONE_WAY = ("forward", "backward")
ROWS_AT_ONCE = 1_000  # streams
ROWS_OF_A_BATCH = 20_000


def merge(aggregates: Sequence[Aggregate], rows: int) -> Aggregate:
    """Add up parts; the result has the streams (0 ≤ row < rows) that occur, ascending."""
    if not aggregates:
        return aggregate_of(WindowBatch.empty(0, 1), np.zeros(0, np.int64), np.zeros(0, np.int64))
    row = joined_column(aggregates, "row")
    present = np.unique(row)
    place = np.zeros(rows, np.int64)
    place[present] = np.arange(len(present))
    group, groups = place[row], len(present)
    suspect = joined_column(aggregates, "suspect")
    counted = _preferred(~suspect, group, groups)
    bound_ns = joined_column(aggregates, "clock_bound_ns")
    one_way = counted & _preferred(counted & ~np.isnan(bound_ns), group, groups)
    used = {name: one_way if name in _ONE_WAY else counted for name in DISTRIBUTIONS}
    return Aggregate(
        row=present,
        counters={
            name: _sums(
                np.concatenate([aggregate.counters[name] for aggregate in aggregates]),
                group,
                groups,
                counted,
            )
            for name in COUNTERS
        },
        total_ns={
            d: _totals(_column(aggregates, "total_ns", d), group, groups, used[d]) for d in DELAYS
        },
        least_ns={
            d: _least(_column(aggregates, "least_ns", d), group, groups, used[d]) for d in DELAYS
        },
        most_ns={
            d: -_least(-_column(aggregates, "most_ns", d), group, groups, used[d]) for d in DELAYS
        },
        distributions={
            name: _histograms(aggregates, name, group, groups, used[name]) for name in DISTRIBUTIONS
        },
        values={
            name: sign * _least(sign * _column(aggregates, "values", name), group, groups, counted)
            for name, sign in MERGED.items()
        },
        clock_bound_ns=-_least(-bound_ns, group, groups, one_way),
        timestamping=_worst_timestamping(
            joined_column(aggregates, "timestamping"), group, groups, counted
        ),
        suspect=~_any(~suspect, group, groups),
        end_ns=_most(joined_column(aggregates, "end_ns"), group, groups),
        counted_end_ns=_most(
            np.where(counted, joined_column(aggregates, "counted_end_ns"), 0), group, groups
        ),
        windows=_merge_windows(aggregates, group, groups, counted, one_way),
    )


def _column(aggregates: Sequence[Aggregate], name: str, delay: str) -> Floats:
    return np.concatenate([getattr(aggregate, name)[delay] for aggregate in aggregates])


def _any(flag: NDArray[np.bool_], group: Integers, groups: int) -> NDArray[np.bool_]:
    answer: NDArray[np.bool_] = np.bincount(group[flag], minlength=groups) > 0
    return answer


def _preferred(good: NDArray[np.bool_], group: Integers, groups: int) -> NDArray[np.bool_]:
    """Return which entries count: the good ones, or all of a group that has no good one."""
    return good | ~_any(good, group, groups)[group]


def _sums(value: Integers, group: Integers, groups: int, counted: NDArray[np.bool_]) -> Integers:
    answer = np.zeros(groups, np.int64)
    np.add.at(answer, group[counted], value[counted].astype(np.int64, copy=False))
    return answer


def _totals(value: Floats, group: Integers, groups: int, counted: NDArray[np.bool_]) -> Floats:
    """Add up, leaving NaN out; NaN where a group has nothing else."""
    known = counted & ~np.isnan(value)
    totals = np.bincount(group[known], weights=value[known], minlength=groups)
    return np.where(_any(known, group, groups), totals, np.nan)


def _least(value: Floats, group: Integers, groups: int, counted: NDArray[np.bool_]) -> Floats:
    """Return the smallest of each group, leaving NaN out; NaN where there is none."""
    known = counted & ~np.isnan(value)
    answer = np.full(groups, np.inf)
    np.minimum.at(answer, group[known], value[known])
    return np.where(_any(known, group, groups), answer, np.nan)


def _most(value: Integers, group: Integers, groups: int) -> Integers:
    answer = np.full(groups, np.iinfo(np.int64).min, np.int64)
    np.maximum.at(answer, group, value)
    return answer


def _worst_timestamping(
    value: NDArray[np.uint8], group: Integers, groups: int, counted: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the worst method that was used at all; 0 (none) where there were no delays."""
    used = counted & (value > 0)
    worst = np.full(groups, len(TIMESTAMPING), np.int64)
    np.minimum.at(worst, group[used], value[used].astype(np.int64))
    return np.where(worst == len(TIMESTAMPING), 0, worst).astype(np.uint8)


def _histograms(
    aggregates: Sequence[Aggregate],
    name: str,
    group: Integers,
    groups: int,
    used: NDArray[np.bool_],
) -> Histograms:
    stacked = Histograms.stack([aggregate.distributions[name] for aggregate in aggregates])
    if used.all():
        return stacked.grouped(group, groups)
    taken = np.flatnonzero(used)
    return stacked.take(taken).grouped(group[taken], groups)


def _merge_windows(
    aggregates: Sequence[Aggregate],
    group: Integers,
    groups: int,
    counted: NDArray[np.bool_],
    one_way: NDArray[np.bool_],
) -> WindowSeries:
    """Join the single windows of all parts, ordered by stream and time.

    Those whose one-way delays do not count have no one-way mean either.
    """
    lengths = np.concatenate([np.diff(aggregate.windows.indptr) for aggregate in aggregates])
    owner, kept = np.repeat(group, lengths), np.repeat(counted, lengths)
    columns = {
        name: np.concatenate([getattr(aggregate.windows, name) for aggregate in aggregates])
        for name in WINDOW_COLUMNS
    }
    columns["forward_mean_ns"][~np.repeat(one_way, lengths)] = np.nan
    order = np.lexsort((columns["start_ns"], owner))
    order = order[kept[order]]
    counts = np.bincount(owner[order], minlength=groups)
    return WindowSeries(
        indptr=indptr_of(counts),
        **{name: column[order] for name, column in columns.items()},
    )


def merge_by_blocks(
    aggregates: Sequence[Aggregate], rows: int, rows_at_once: int = ROWS_AT_ONCE
) -> Aggregate:
    """Return what `merge` returns."""
    return end_to_end([merge(some, rows) for some in in_blocks(aggregates, rows, rows_at_once)])


def in_blocks(
    aggregates: Sequence[Aggregate], rows: int, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[list[Aggregate]]:
    """Yield, for one block of streams after another, what each aggregate has of them. At
    least once.
    """
    for low in range(0, max(rows, 1), rows_at_once):
        block = np.arange(low, min(low + rows_at_once, rows))
        high = low + rows_at_once
        here = [
            one for one in aggregates if len(one.row) and one.row[-1] >= low and one.row[0] < high
        ]
        yield [rows_of(aggregate, block) for aggregate in here]


def in_batches(
    aggregates: Sequence[Aggregate], most: int = ROWS_OF_A_BATCH
) -> list[list[Aggregate]]:
    """Return the aggregates in runs of about `most` rows: many small ones are merged a run at
    a time.
    """
    ends = np.cumsum([len(aggregate.row) for aggregate in aggregates])
    runs = groupby(zip(aggregates, (ends // most).tolist(), strict=True), key=lambda pair: pair[1])
    return [[aggregate for aggregate, _ in run] for _, run in runs]
