"""Whole records out of structured tables, and numbers without repetition, at the speed of memory.

numpy copies structured records field by field, through the names of the fields: 230 µs for 500
records of 25 fields, where moving their bytes takes 10. And `np.unique` loads masked arrays.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.integer)


def records(table: NDArray[Any], row: NDArray[Any]) -> NDArray[Any]:
    """Return the records of a contiguous structured array at index or mask `row`, as a copy."""
    raw: NDArray[Any] = table.view(f"V{table.dtype.itemsize}")[row]
    return raw.view(table.dtype)


def put_records(table: NDArray[Any], row: NDArray[np.int64], new: NDArray[Any]) -> None:
    """Replace the records of a contiguous structured array at the indices `row`."""
    raw = f"V{table.dtype.itemsize}"
    table.view(raw)[row] = new.view(raw)


def starts(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a new number begins among ascending ones."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def distinct(numbers: NDArray[Number]) -> NDArray[Number]:
    """Return the numbers in ascending order, each once."""
    ordered = np.sort(numbers)
    return ordered[starts(ordered)]


def grouped(numbers: NDArray[Number]) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """Return the distinct numbers in ascending order, and the place of each number among them."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    first = starts(ordered)
    place = np.empty(len(numbers), np.int64)
    place[order] = np.cumsum(first) - 1
    return ordered[first], place
