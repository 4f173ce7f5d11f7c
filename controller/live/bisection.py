"""Whose windows make a round raise: found by halves, so that all others are judged. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import Aggregate, rows_of

Rows = NDArray[np.int64]
MAX_TRIES = 64


def failing_rows(
    raised: Callable[[Rows], Exception | None], rows: Rows
) -> list[tuple[Rows, Exception]]:
    """Return which of `rows`, alone or only together, make `raised` give an error, and which.

    Rows that stand side by side in `rows` stay together while they are halved, so give those of one
    agent as neighbours. After `MAX_TRIES` what is left is not told apart any more.
    """
    first = raised(rows)
    waiting = [] if first is None else [(rows, first)]
    found: list[tuple[Rows, Exception]] = []
    tries = 0
    while waiting:
        some, error = waiting.pop()
        if len(some) <= 1 or tries >= MAX_TRIES:
            found.append((some, error))
            continue
        halves = [(half, raised(half)) for half in np.array_split(some, 2)]
        tries += 2
        guilty = [(half, why) for half, why in halves if why is not None]
        if guilty:
            waiting += guilty
        else:
            found.append((some, error))
    return found


def without(slots: Sequence[Aggregate], excluded: Rows) -> list[Aggregate]:
    """Return slots of windows without those of some streams."""
    if not len(excluded):
        return list(slots)
    return [rows_of(slot, np.setdiff1d(slot.row, excluded)) for slot in slots]


def only(slots: Sequence[Aggregate], rows: Rows) -> list[Aggregate]:
    """Return the windows of some streams alone."""
    wanted = np.sort(rows)
    return [rows_of(slot, np.intersect1d(slot.row, wanted)) for slot in slots]


def names_of(
    found: Sequence[tuple[Rows, Exception]], agent: Sequence[str], path: Sequence[str]
) -> Mapping[str, Exception]:
    """Return the errors by whose windows they are: an agent's where all of its are, else a path's.

    agent, path: of each stream, by its row.
    """
    guilty = {int(row): error for rows, error in found for row in rows}
    innocent = {name for row, name in enumerate(agent) if row not in guilty}
    names: dict[str, Exception] = {}
    for row, error in guilty.items():
        names.setdefault(path[row] if agent[row] in innocent else agent[row], error)
    return names
