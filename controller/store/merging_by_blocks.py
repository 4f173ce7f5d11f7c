"""Many parts added up some streams at a time, so that the work needs little memory beside them.

Sorting the histograms' entries of fifteen slots of 20,000 streams at once takes more than a
gigabyte; of 1,000 streams 20 MB, and is no slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from controller.store.merging import Integers, Part, WindowSeries, merge, taken
from foundation.ragged import slice_rows, stack_rows
from probes.histogram import Histograms

ROWS_AT_ONCE = 1_000
ROWS_OF_A_BATCH = 20_000
_COLUMNS = ("start_ns", "sent", "lost", "rtt_mean_ns", "forward_mean_ns")


def merge_by_blocks(parts: Sequence[Part], rows: int, rows_at_once: int = ROWS_AT_ONCE) -> Part:
    """Return what `merge` returns."""
    return end_to_end([merge(some, rows) for some in in_blocks(parts, rows, rows_at_once)])


def in_blocks(
    parts: Sequence[Part], rows: int, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[list[Part]]:
    """Yield, for one block of streams after another, what each part has of them. At least once."""
    for low in range(0, max(rows, 1), rows_at_once):
        block = np.arange(low, min(low + rows_at_once, rows))
        high = low + rows_at_once
        here = [one for one in parts if len(one.row) and one.row[-1] >= low and one.row[0] < high]
        yield [rows_of(part, block) for part in here]


def in_batches(parts: Sequence[Part], most: int = ROWS_OF_A_BATCH) -> list[list[Part]]:
    """Return the parts in runs of about `most` rows: many small ones are merged a run at a time."""
    ends = np.cumsum([len(part.row) for part in parts])
    runs = groupby(zip(parts, (ends // most).tolist(), strict=True), key=lambda pair: pair[1])
    return [[part for part, _ in run] for _, run in runs]


def rows_of(part: Part, rows: Integers) -> Part:
    """Return what a part has of some streams (ascending): views where they lie side by side."""
    first, last = np.searchsorted(part.row, (rows[0], rows[-1] + 1)) if len(rows) else (0, 0)
    side_by_side = len(rows) == 0 or rows[-1] - rows[0] + 1 == len(rows)
    some = slice(int(first), int(last))
    if not side_by_side:
        place = np.searchsorted(rows, part.row[some])  # all of them ≤ the last of `rows`
        return taken(part, first + np.flatnonzero(rows[place] == part.row[some]))
    return Part(
        row=part.row[some],
        counters={name: column[some] for name, column in part.counters.items()},
        total_ns={name: column[some] for name, column in part.total_ns.items()},
        least_ns={name: column[some] for name, column in part.least_ns.items()},
        most_ns={name: column[some] for name, column in part.most_ns.items()},
        distributions={name: _histograms(each, some) for name, each in part.distributions.items()},
        clock_bound_ns=part.clock_bound_ns[some],
        timestamping=part.timestamping[some],
        suspect=part.suspect[some],
        end_ns=part.end_ns[some],
        counted_end_ns=part.counted_end_ns[some],
        windows=_windows(part.windows, some),
    )


def _histograms(all_of_them: Histograms, some: slice) -> Histograms:
    indptr, entries = slice_rows(all_of_them.indptr, some)
    return Histograms(indptr, all_of_them.bucket[entries], all_of_them.count[entries])


def _windows(series: WindowSeries, some: slice) -> WindowSeries:
    indptr, entries = slice_rows(series.indptr, some)
    return WindowSeries(
        indptr=indptr, **{name: getattr(series, name)[entries] for name in _COLUMNS}
    )


def end_to_end(blocks: Sequence[Part]) -> Part:
    """Join parts whose rows follow on one another."""
    if len(blocks) == 1:
        return blocks[0]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(block, name) for block in blocks])

    def columns(name: str) -> dict[str, np.ndarray]:
        found = [getattr(block, name) for block in blocks]
        return {key: np.concatenate([one[key] for one in found]) for key in found[0]}

    series = [block.windows for block in blocks]
    return Part(
        row=joined("row"),
        counters=columns("counters"),
        total_ns=columns("total_ns"),
        least_ns=columns("least_ns"),
        most_ns=columns("most_ns"),
        distributions={
            name: Histograms.stack([block.distributions[name] for block in blocks])
            for name in blocks[0].distributions
        },
        clock_bound_ns=joined("clock_bound_ns"),
        timestamping=joined("timestamping"),
        suspect=joined("suspect"),
        end_ns=joined("end_ns"),
        counted_end_ns=joined("counted_end_ns"),
        windows=WindowSeries(
            indptr=stack_rows([one.indptr for one in series]),
            **{name: np.concatenate([getattr(one, name) for one in series]) for name in _COLUMNS},
        ),
    )
