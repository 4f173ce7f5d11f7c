"""What some streams did over some time: columns of counters, sums, extremes and histograms.

Rows are picked and joined here; windows of one stream are added up by `controller.store.merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import slice_rows, stack_rows, take_rows
from probes import measures
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, WindowBatch

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
WINDOW_COLUMNS = ("start_ns", "sent", "lost", "rtt_mean_ns", "forward_mean_ns")


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


def without_windows(aggregate: Aggregate) -> Aggregate:
    """Return the part without its single windows, which are most of its size."""
    return replace(aggregate, windows=WindowSeries.empty(len(aggregate.row)))


def outlined(aggregate: Aggregate) -> Aggregate:
    """Return the part without its single windows, of each distribution only how many it holds.

    They are in one bucket, so that merging outlines gives the outline of what was merged.
    """
    rows = len(aggregate.row)
    sums = {
        name: Histograms(np.arange(rows + 1), np.zeros(rows, np.int16), each.totals())
        for name, each in aggregate.distributions.items()
    }
    return without_windows(replace(aggregate, distributions=sums))


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
            **{name: getattr(aggregate.windows, name)[window] for name in WINDOW_COLUMNS},
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
        row=joined_column(blocks, "row"),
        counters=columns("counters"),
        total_ns=columns("total_ns"),
        least_ns=columns("least_ns"),
        most_ns=columns("most_ns"),
        distributions={
            name: Histograms.stack([block.distributions[name] for block in blocks])
            for name in blocks[0].distributions
        },
        values=columns("values"),
        clock_bound_ns=joined_column(blocks, "clock_bound_ns"),
        timestamping=joined_column(blocks, "timestamping"),
        suspect=joined_column(blocks, "suspect"),
        end_ns=joined_column(blocks, "end_ns"),
        counted_end_ns=joined_column(blocks, "counted_end_ns"),
        windows=WindowSeries(
            indptr=stack_rows([one.indptr for one in series]),
            **{
                name: np.concatenate([getattr(one, name) for one in series])
                for name in WINDOW_COLUMNS
            },
        ),
    )


def joined_column(aggregates: Sequence[Aggregate], name: str) -> Column:
    """Return a column of several parts, one part behind the other."""
    return np.concatenate([getattr(aggregate, name) for aggregate in aggregates])
