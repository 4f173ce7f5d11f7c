"""Windows gathered into batches, so that what lasts over several windows is seen as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_GATHERED = 6  # windows per batch, up to which they are gathered place by place
MOST = 15  # few, long batches: neighbours must be unlike each other, even in slow queues


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """Runs of windows: `starts` int64[k], the window each begins with; `row` int64[k], its row.

    Every window of every row belongs to one; `rows` is how many rows there are. first: the first
    batch of each row that has any. longer[i]: which batches have more than i + 1 windows (None: all
    do); empty where some have more than MOST_GATHERED.
    """

    starts: Integers
    row: Integers
    rows: int
    first: Integers
    longer: tuple[Integers | None, ...]

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
        longer = _longer(np.diff(starts, append=indptr[-1]))
        return Batches(starts, row, len(windows), first[windows > 0], longer)

    def sums(self, value: NDArray[Any]) -> Floats:
        """Add up the windows of each batch, float64[k]; `value` [m] of all windows."""
        if not len(self.starts):
            return np.zeros(0)
        if not self.longer:
            long: Floats = np.add.reduceat(value, self.starts).astype(np.float64)
            return long
        # Many batches of few windows: gathering place by place is faster than many short runs. What
        # follows the first is added up before it is added to it, as numpy adds up a run: a sum must
        # not depend on how long the batches of other rows are.
        answer: Floats = value[self.starts].astype(np.float64)
        rest = np.zeros(len(answer))
        for place, which in enumerate(self.longer, start=1):
            if which is None:
                rest += value[self.starts + place]
            else:
                rest[which] += value[self.starts[which] + place]
        answer += rest
        return answer

    def by_row(self, value: NDArray[Any]) -> Floats:
        """Add up the batches of each row, float64[rows]; `value` [k] of all batches."""
        answer = np.zeros(self.rows)
        if len(self.first):
            answer[self.row[self.first]] = np.add.reduceat(value, self.first, dtype=np.float64)
        return answer


def _longer(length: Integers) -> tuple[Integers | None, ...]:
    """Return which batches have a second window, a third and so on; None where all of them do."""
    if not len(length) or int(length.max()) > MOST_GATHERED:
        return ()
    least = int(length.min())
    return tuple(
        None if least > place else np.flatnonzero(length > place)
        for place in range(1, int(length.max()))
    )
