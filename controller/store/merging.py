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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import indptr_of, slice_rows, stack_rows, take_rows
from probes import measures
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, TIMESTAMPING, WindowBatch

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Column = NDArray[Any]

DELAYS = ("rtt", "forward", "backward")
# The values that are merged, and the sign with which the least of them is taken.
MERGED = {
    value.name: 1.0 if value.merged == "least" else -1.0
    for value in measures.VALUES
    if value.merged is not None
}
_ONE_WAY = ("forward", "backward")
_WINDOW_COLUMNS = ("start_ns", "sent", "lost", "rtt_mean_ns", "forward_mean_ns")
ROWS_AT_ONCE = 1_000  # streams
ROWS_OF_A_BATCH = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSeries:
    """Single windows in compressed-row form: those of row i are indptr[i]:indptr[i+1], by time.

    `sent` counts the probes whose outcome is known: those whose answers were not read are left out.
    """

    indptr: Integers
    start_ns: Integers
    sent: Integers
    lost: Integers
    rtt_mean_ns: Floats
    forward_mean_ns: Floats

    @staticmethod
    def empty(rows: int) -> WindowSeries:
        """Return `rows` rows without windows."""
        none = np.zeros(0, np.int64)
        return WindowSeries(
            indptr=np.zeros(rows + 1, np.int64),
            start_ns=none,
            sent=none,
            lost=none,
            rtt_mean_ns=np.zeros(0),
            forward_mean_ns=np.zeros(0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """n streams over some stretch of time.

    row int64[n]: number of the stream, unique and ascending.
    counters[name] int64[n]; total_ns[d], least_ns[d], most_ns[d] float64[n] for d in DELAYS: sum,
    minimum and maximum (NaN where nothing was measured); distributions[name] n rows;
    values[name] float64[n] for MERGED; clock_bound_ns float64[n] (NaN: not trusted);
    timestamping uint8[n]; suspect bool[n];
    end_ns, counted_end_ns int64[n]: end of the newest window that sent anything, suspect ones too,
    and of the newest such window that counts; 0 where there is none.
    """

    row: Integers
    counters: dict[str, Integers]
    total_ns: dict[str, Floats]
    least_ns: dict[str, Floats]
    most_ns: dict[str, Floats]
    distributions: dict[str, Histograms]
    values: dict[str, Floats]
    clock_bound_ns: Floats
    timestamping: NDArray[np.uint8]
    suspect: NDArray[np.bool_]
    end_ns: Integers
    counted_end_ns: Integers
    windows: WindowSeries

    def mean_ns(self, delay: str) -> Floats:
        """Return the mean of one of DELAYS, float64[n]: NaN where nothing was measured."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: Floats = self.total_ns[delay] / self.distributions[delay].totals()
        return mean


def aggregate_of(batch: WindowBatch, taken: Integers, row: Integers) -> Aggregate:
    """Return the windows numbered by `taken` of a batch, as those of streams `row`, ascending."""
    rows = len(taken)
    distributions = {name: batch.distributions[name].take(taken) for name in DISTRIBUTIONS}
    counters = {name: batch.counters[name][taken].astype(np.int64) for name in COUNTERS}
    values = {name: column[taken] for name, column in batch.measures.items()}
    end_ns = np.where(counters["sent"] > 0, batch.start_ns + batch.duration_ns, 0)
    with np.errstate(invalid="ignore"):
        total_ns = {
            name: values[f"{name}_mean_ns"] * distributions[name].totals() for name in DELAYS
        }
    return Aggregate(
        row=row.astype(np.int64),
        counters=counters,
        total_ns=total_ns,
        least_ns={name: values[f"{name}_min_ns"] for name in DELAYS},
        most_ns={name: values[f"{name}_max_ns"] for name in DELAYS},
        distributions=distributions,
        values={name: values[name] for name in MERGED},
        clock_bound_ns=values["clock_bound_ns"],
        timestamping=batch.timestamping[taken],
        suspect=batch.suspect[taken],
        end_ns=end_ns,
        counted_end_ns=end_ns,
        windows=WindowSeries(
            indptr=np.arange(rows + 1),
            start_ns=np.full(rows, batch.start_ns, np.int64),
            sent=batch.known()[taken],
            lost=batch.lost()[taken],
            rtt_mean_ns=values["rtt_mean_ns"],
            forward_mean_ns=values["forward_mean_ns"],
        ),
    )


def merge(aggregates: Sequence[Aggregate], rows: int) -> Aggregate:
    """Add up parts; the result has the streams (0 ≤ row < rows) that occur, ascending."""
    if not aggregates:
        return aggregate_of(WindowBatch.empty(0, 1), np.zeros(0, np.int64), np.zeros(0, np.int64))
    row = _joined(aggregates, "row")
    present = np.unique(row)
    place = np.zeros(rows, np.int64)
    place[present] = np.arange(len(present))
    group, groups = place[row], len(present)
    suspect = _joined(aggregates, "suspect")
    counted = _preferred(~suspect, group, groups)
    bound_ns = _joined(aggregates, "clock_bound_ns")
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
            _joined(aggregates, "timestamping"), group, groups, counted
        ),
        suspect=~_any(~suspect, group, groups),
        end_ns=_most(_joined(aggregates, "end_ns"), group, groups),
        counted_end_ns=_most(
            np.where(counted, _joined(aggregates, "counted_end_ns"), 0), group, groups
        ),
        windows=_merge_windows(aggregates, group, groups, counted, one_way),
    )


def _joined(aggregates: Sequence[Aggregate], name: str) -> Column:
    return np.concatenate([getattr(aggregate, name) for aggregate in aggregates])


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
        for name in _WINDOW_COLUMNS
    }
    columns["forward_mean_ns"][~np.repeat(one_way, lengths)] = np.nan
    order = np.lexsort((columns["start_ns"], owner))
    order = order[kept[order]]
    counts = np.bincount(owner[order], minlength=groups)
    return WindowSeries(
        indptr=indptr_of(counts),
        **{name: column[order] for name, column in columns.items()},
    )


def without_windows(aggregate: Aggregate) -> Aggregate:
    """Return the part without its single windows, which are most of its size."""
    return replace(aggregate, windows=WindowSeries.empty(len(aggregate.row)))


def outlined(aggregate: Aggregate) -> Aggregate:
    """Return the part without its single windows, of each distribution only how many it holds.

    They stand in one bucket, so that merging outlines gives the outline of what was merged.
    """
    rows = len(aggregate.row)
    sums = {
        name: Histograms(np.arange(rows + 1), np.zeros(rows, np.int16), each.totals())
        for name, each in aggregate.distributions.items()
    }
    return without_windows(replace(aggregate, distributions=sums))


def blank(rows: int) -> Aggregate:
    """Return `rows` streams of which nothing is known; merging it in changes no figure.

    It counts as suspect and without trusted clocks, so any real window is preferred to it.
    """
    unknown = np.full(rows, np.nan)
    return Aggregate(
        row=np.arange(rows),
        counters={name: np.zeros(rows, np.int64) for name in COUNTERS},
        total_ns=dict.fromkeys(DELAYS, unknown),
        least_ns=dict.fromkeys(DELAYS, unknown),
        most_ns=dict.fromkeys(DELAYS, unknown),
        distributions={name: Histograms.empty(rows) for name in DISTRIBUTIONS},
        values=dict.fromkeys(MERGED, unknown),
        clock_bound_ns=unknown,
        timestamping=np.zeros(rows, np.uint8),
        suspect=np.ones(rows, np.bool_),
        end_ns=np.zeros(rows, np.int64),
        counted_end_ns=np.zeros(rows, np.int64),
        windows=WindowSeries.empty(rows),
    )


def taken(aggregate: Aggregate, places: Integers) -> Aggregate:
    """Return the streams at these places of a part, in that order."""
    indptr, window = take_rows(aggregate.windows.indptr, places)
    return _selected(aggregate, places, lambda each: each.take(places), indptr, window)


def rows_of(aggregate: Aggregate, rows: Integers) -> Aggregate:
    """Return what an aggregate has of some streams (ascending): views where they lie side
    by side.
    """
    first, last = np.searchsorted(aggregate.row, (rows[0], rows[-1] + 1)) if len(rows) else (0, 0)
    side_by_side = len(rows) == 0 or rows[-1] - rows[0] + 1 == len(rows)
    some = slice(int(first), int(last))
    if not side_by_side:
        place = np.searchsorted(rows, aggregate.row[some])  # all of them ≤ the last of `rows`
        return taken(aggregate, first + np.flatnonzero(rows[place] == aggregate.row[some]))
    indptr, window = slice_rows(aggregate.windows.indptr, some)
    return _selected(aggregate, some, lambda each: _histograms_between(each, some), indptr, window)


def _histograms_between(histograms: Histograms, some: slice) -> Histograms:
    indptr, entries = slice_rows(histograms.indptr, some)
    return Histograms(indptr, histograms.bucket[entries], histograms.count[entries])


def _selected(
    aggregate: Aggregate,
    rows: Integers | slice,
    histograms: Callable[[Histograms], Histograms],
    indptr: Integers,
    window: Integers | slice,
) -> Aggregate:
    """Return some rows of every column, and of the single windows those numbered by `window`."""

    def columns(of: dict[str, Column]) -> dict[str, Column]:
        return {name: column[rows] for name, column in of.items()}

    return Aggregate(
        row=aggregate.row[rows],
        counters=columns(aggregate.counters),
        total_ns=columns(aggregate.total_ns),
        least_ns=columns(aggregate.least_ns),
        most_ns=columns(aggregate.most_ns),
        distributions={name: histograms(each) for name, each in aggregate.distributions.items()},
        values=columns(aggregate.values),
        clock_bound_ns=aggregate.clock_bound_ns[rows],
        timestamping=aggregate.timestamping[rows],
        suspect=aggregate.suspect[rows],
        end_ns=aggregate.end_ns[rows],
        counted_end_ns=aggregate.counted_end_ns[rows],
        windows=WindowSeries(
            indptr=indptr,
            **{name: getattr(aggregate.windows, name)[window] for name in _WINDOW_COLUMNS},
        ),
    )


def end_to_end(blocks: Sequence[Aggregate]) -> Aggregate:
    """Join parts whose rows follow on one another."""
    if len(blocks) == 1:
        return blocks[0]

    def columns(name: str) -> dict[str, Column]:
        found = [getattr(block, name) for block in blocks]
        return {key: np.concatenate([one[key] for one in found]) for key in found[0]}

    series = [block.windows for block in blocks]
    return Aggregate(
        row=_joined(blocks, "row"),
        counters=columns("counters"),
        total_ns=columns("total_ns"),
        least_ns=columns("least_ns"),
        most_ns=columns("most_ns"),
        distributions={
            name: Histograms.stack([block.distributions[name] for block in blocks])
            for name in blocks[0].distributions
        },
        values=columns("values"),
        clock_bound_ns=_joined(blocks, "clock_bound_ns"),
        timestamping=_joined(blocks, "timestamping"),
        suspect=_joined(blocks, "suspect"),
        end_ns=_joined(blocks, "end_ns"),
        counted_end_ns=_joined(blocks, "counted_end_ns"),
        windows=WindowSeries(
            indptr=stack_rows([one.indptr for one in series]),
            **{
                name: np.concatenate([getattr(one, name) for one in series])
                for name in _WINDOW_COLUMNS
            },
        ),
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
