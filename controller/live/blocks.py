"""Which streams are judged together: some at a time, and never apart what is compared.

All windows of the judged period of all streams at once, as the judge reads them, take many times
the memory in which they are kept (docs/decisions/rounds.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from controller.store.merging import ROWS_AT_ONCE

Integers = NDArray[np.int64]
Columns = TypeVar("Columns")


def blocks_of(rows: int, linked: Integers, rows_at_once: int = ROWS_AT_ONCE) -> list[Integers]:
    """Return the rows of each block, ascending; every row is in one, and there is one at least.

    linked int64[k, 2]: pairs of rows that belong together. A block has about `rows_at_once` rows;
    more only where so many belong together.
    """
    if not len(linked):
        starts = range(0, max(rows, 1), rows_at_once)
        return [np.arange(low, min(low + rows_at_once, rows)) for low in starts]
    links = coo_array((np.ones(len(linked)), (linked[:, 0], linked[:, 1])), shape=(rows, rows))
    _, family = connected_components(links, directed=False)
    _, eldest = np.unique(family, return_index=True)  # each family stands where its first row does
    order = np.argsort(eldest[family], kind="stable")
    begins = np.flatnonzero(np.diff(eldest[family][order], prepend=-1))
    number = np.repeat(begins // rows_at_once, np.diff(begins, append=rows))  # of a family's block
    return [np.sort(block) for block in np.split(order, np.flatnonzero(np.diff(number)) + 1)]


def in_their_places(aggregates: Sequence[Columns], places: Sequence[Integers]) -> Columns:
    """Join structs of arrays (or dicts, or single arrays): row i of part p becomes places[p][i]."""
    order = np.argsort(np.concatenate(places))

    def joined(values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, np.ndarray):
            return np.concatenate(values)[order]
        if isinstance(first, dict):
            return {name: joined([value[name] for value in values]) for name in first}
        names = [field.name for field in fields(first)]
        return type(first)(
            **{name: joined([getattr(value, name) for value in values]) for name in names}
        )

    answer: Columns = joined(aggregates)
    return answer
