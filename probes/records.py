"""Whole records out of structured tables, and numbers without repetition, at the speed of memory.

numpy copies structured records field by field, through the names of the fields: 230 µs for 500
records of 25 fields, where moving their bytes takes 10. And `np.unique` loads masked arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def records(table: NDArray[Any], row: NDArray[Any]) -> NDArray[Any]:
    """Return the records of a contiguous structured array at index or mask `row`, as a copy."""
    raw: NDArray[Any] = table.view(f"V{table.dtype.itemsize}")[row]
    return raw.view(table.dtype)


def put_records(table: NDArray[Any], row: NDArray[np.int64], new: NDArray[Any]) -> None:
    """Replace the records of a contiguous structured array at the indices `row`."""
    raw = f"V{table.dtype.itemsize}"
    table.view(raw)[row] = new.view(raw)


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers in ascending order, each once."""
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
