"""Ragged arrays: rows of different lengths laid end to end, as compressed sparse rows are.

    values   a a a b c c        three rows: a a a, b, c c
    indptr   0     3 4   6      row i has the entries indptr[i]:indptr[i+1]

`indptr` is int64[n + 1] and begins with 0. Several columns of values may share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def indptr_of(lengths: NDArray[Any]) -> Integers:
    """Return the `indptr` of rows so long, int64[len(lengths) + 1]."""
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def row_of_entry(indptr: Integers) -> Integers:
    """Return for every entry the row it is in."""
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def place_in_row(indptr: Integers) -> Integers:
    """Return for every entry how many stand before it in its row."""
    return np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))


def take_rows(indptr: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Return the `indptr` of the rows numbered by `rows`, in that order, and all their entries."""
    first = indptr[rows]
    return spans(first, indptr[rows + 1] - first)


def spans(first: Integers, lengths: Integers) -> tuple[Integers, Integers]:
    """Return the `indptr` of rows that begin anywhere, and the numbers from `first` on of each."""
    indptr = indptr_of(lengths)
    return indptr, np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], lengths)


def slice_rows(indptr: Integers, rows: slice) -> tuple[Integers, slice]:
    """Return the `indptr` of rows side by side, and where their entries lie."""
    inside = indptr[rows.start : rows.stop + 1]
    first = inside[0]
    return inside - first, slice(int(first), int(inside[-1]))


def stack_rows(indptrs: Sequence[Integers]) -> Integers:
    """Return the `indptr` of several ragged arrays, one after the other."""
    ends, before = [np.zeros(1, np.int64)], 0
    for indptr in indptrs:  # adding is quicker than taking lengths and summing them up again
        ends.append(indptr[1:] + before)
        before += int(indptr[-1])
    return np.concatenate(ends)


def row_sums(indptr: Integers, values: Integers) -> Integers:
    """Return the sum of each row's values, int64[n]; 0 for an empty row."""
    cumulative = indptr_of(values)
    sums: Integers = cumulative[indptr[1:]] - cumulative[indptr[:-1]]
    return sums
