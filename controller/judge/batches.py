"""Windows gathered into batches, so that what lasts over several windows is seen as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST = 15  # few, long batches: neighbours must be unlike each other, even in slow queues


@dataclass(frozen=True, slots=True)
class Batches:
    """Runs of windows: `starts` int64[k], the window each begins with; `row` int64[k], its row.

    Every window of every row belongs to one; `rows` is how many rows there are.
    """

    starts: Integers
    row: Integers
    rows: int

    @staticmethod
    def of(indptr: Integers, most: int = MOST) -> Batches:
        """Divide the windows of each row, in order of time, evenly into at most `most` batches.

        indptr int64[n+1]; rows without windows have no batch.
        """
        windows = np.diff(indptr)
        batches = np.minimum(windows, most)
        first = np.cumsum(batches) - batches
        starts = np.empty(int(batches.sum()), np.int64)
        row = np.repeat(np.arange(len(windows)), batches)
        # Rows with as many windows are divided alike: batch j of b begins at ceil(j × m / b).
        for count in np.unique(windows[windows > 0]):
            alike = np.flatnonzero(windows == count)
            parts = min(int(count), most)
            step = -(-np.arange(parts) * count // parts)
            starts[first[alike][:, None] + np.arange(parts)] = indptr[alike][:, None] + step
        return Batches(starts, row, len(windows))

    def sums(self, value: NDArray[Any]) -> Floats:
        """Add up the windows of each batch, float64[k]; `value` [m] of all windows."""
        if not len(self.starts):
            return np.zeros(0)
        answer: Floats = np.add.reduceat(value, self.starts).astype(np.float64)
        return answer

    def by_row(self, value: NDArray[Any]) -> Floats:
        """Add up the batches of each row, float64[rows]; `value` [k] of all batches."""
        answer: Floats = np.bincount(self.row, value, self.rows).astype(np.float64)
        return answer
