"""Windows gathered into batches, so that what lasts over several windows is seen as one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def batch_numbers(
    indptr: Integers, taken: NDArray[np.bool_], most: int
) -> tuple[Integers, Integers, int]:
    """Divide the taken windows of each row, in order of time, evenly into at most `most` batches.

    indptr int64[n+1], taken bool[m]. Returns (the batch of every taken window, the row of every
    batch, n); batches are numbered through all rows.
    """
    rows = len(indptr) - 1
    row = np.repeat(np.arange(rows), np.diff(indptr))[taken]
    count = np.bincount(row, minlength=rows)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    place = np.arange(len(row)) - first[row]
    batches = np.minimum(count, most)
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(batches)])
    batch = base[row] + place * batches[row] // np.maximum(count[row], 1)
    return batch, np.repeat(np.arange(rows), batches), rows


def sums(group: Integers, value: NDArray[Any], groups: int) -> NDArray[np.float64]:
    """Add up `value` by group, float64[groups]."""
    answer: NDArray[np.float64] = np.bincount(group, value, groups).astype(np.float64)
    return answer
