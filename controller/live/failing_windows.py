"""Whose windows make a round raise: found by halves and left out, so that all others are judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from controller.live.judging import Judge, Judged
from controller.store.aggregate import Aggregate, rows_of
from topology.model import PlannedStream

Rows = NDArray[np.int64]
MAX_TRIES = 64
TRIED_AGAIN_S = 60.0  # what made a round raise
SEARCHES_SHARE = 20  # of the time; a search takes a few dozen rounds


class TolerantJudge:
    """A judge that, where it raises, judges without the windows that are the reason."""

    def __init__(self, judge: Judge, streams: Sequence[PlannedStream]) -> None:
        self._judge = judge
        self._agents = [stream.path.source.site for stream in streams]
        self._paths = [stream.path.id for stream in streams]
        self._excluded: Rows = np.zeros(0, np.int64)
        self._reasons: Mapping[str, Exception] = {}
        self._again_s = 0.0  # when they are tried again

    def judge(
        self, slots: Sequence[Aggregate], calibration_ns: NDArray[np.float64], fresh_ns: Rows | int
    ) -> tuple[Judged, Mapping[str, Exception]]:
        """Judge everything; return also what was left out, an agent or a path, and why."""
        if time.monotonic() >= self._again_s:
            self._excluded, self._reasons = self._excluded[:0], {}
        try:
            judged = self._judge.judge(without(slots, self._excluded), calibration_ns, fresh_ns)
        except Exception:  # noqa: BLE001 - whatever fails, its rows are searched for
            self._search(slots, calibration_ns)
            judged = self._judge.judge(without(slots, self._excluded), calibration_ns, fresh_ns)
        return judged, self._reasons

    def _search(self, slots: Sequence[Aggregate], calibration_ns: NDArray[np.float64]) -> None:
        def raised(rows: Rows) -> Exception | None:
            try:
                self._judge.judge(only(slots, rows), calibration_ns)
            except Exception as error:  # noqa: BLE001 - it is the answer
                return error
            return None

        began_s = time.monotonic()
        by_agent = np.argsort(np.array(self._agents), kind="stable")
        found = failing_rows(raised, by_agent)
        took_s = time.monotonic() - began_s
        self._again_s = time.monotonic() + max(TRIED_AGAIN_S, SEARCHES_SHARE * took_s)
        self._excluded = np.concatenate([rows for rows, _ in found])
        self._reasons = names_of(found, self._agents, self._paths)


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
