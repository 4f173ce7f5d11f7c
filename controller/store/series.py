"""Figures over time, as the store gives them: one method, the right level chosen by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.levels import DAY, HOUR, LEVELS, Level, LevelName
from probes.window import COUNTERS

QUANTILES = (50, 95, 99)
_MEASURED = ("rtt", "forward", "backward")
_DISTRIBUTED = (*_MEASURED, "variation")
# What a point holds. Counts have room for their sums: a day of a fast stream exceeds 2^32. Delays
# are float32 (6e-8 of the value): NaN is absent, +inf a quantile that falls among the lost.
# `state`: bit 0 there is a point, bit 1 all of it was measured while starved.
POINT = np.dtype(
    [(name, "<i8") for name in COUNTERS]
    + [(f"{delay}_{end}_ns", "<f4") for delay in _MEASURED for end in ("min", "mean", "max")]
    + [(f"{delay}_p{level}_ns", "<f4") for delay in _DISTRIBUTED for level in QUANTILES]
    + [("clock_bound_ns", "<f4"), ("timestamping", "u1"), ("state", "u1")]
)
PRESENT, SUSPECT = 1, 2
MAX_WINDOW_SPAN_NS = HOUR.step_ns  # more is answered by minutes, unless windows are asked for
ORDINARY_WINDOW_NS = 10_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """m points of some streams, ordered by stream and time.

    stream_id uint64[m]; start_ns, duration_ns int64[m]; `points` m records of POINT. Of the levels
    above `window` there are only points whose interval is over and merged: seconds later for a
    minute, minutes later for an hour.
    """

    level: LevelName
    step_ns: int | None  # None: windows, as long as `duration_ns` says
    stream_id: NDArray[np.uint64]
    start_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    points: NDArray[Any]

    @property
    def suspect(self) -> NDArray[np.bool_]:
        """Whether all of a point was measured while the machine was starved, bool[m]."""
        answer: NDArray[np.bool_] = (self.points["state"] & SUSPECT) > 0
        return answer

    def lost(self) -> NDArray[np.int64]:
        """Return probes of no or late return, int64[m]."""
        names = ("lost_forward", "lost_backward", "lost_unknown", "late")
        total = np.zeros(len(self.points), np.int64)
        for name in names:
            total += self.points[name]
        return total


def level_for(from_ns: int, to_ns: int, step_ns: int | None, max_points: int | None) -> LevelName:
    """Return the level that answers a question best, if all are held.

    With `step_ns`: the coarsest whose points are no longer than that. With `max_points`: the finest
    of which a stream has no more than so many. With neither: windows for up to an hour, minutes for
    up to a day, hours for up to 60 days, days beyond.
    """
    length_ns = max(0, to_ns - from_ns)
    if step_ns is not None:
        fits = [level.name for level in LEVELS if level.step_ns <= step_ns]
        return fits[-1] if fits else "window"
    if max_points is None:
        ordinary: tuple[tuple[LevelName, int], ...] = (
            ("window", HOUR.step_ns),
            ("minute", DAY.step_ns),
            ("hour", 60 * DAY.step_ns),
        )
        return next((level for level, most_ns in ordinary if length_ns <= most_ns), "day")
    if length_ns <= MAX_WINDOW_SPAN_NS and length_ns <= max_points * ORDINARY_WINDOW_NS:
        return "window"
    enough = [level.name for level in LEVELS if length_ns <= max_points * level.step_ns]
    return enough[0] if enough else "day"


def held_level(wanted: LevelName, oldest: Mapping[LevelName, int], from_ns: int) -> Level | None:
    """Return the level to read, None for windows: the wanted one, or a coarser that reaches back.

    `oldest` says where each level begins, of those that hold anything.
    """
    for name, level in _FINE_TO_COARSE[[n for n, _ in _FINE_TO_COARSE].index(wanted) :]:
        coarser = [each for each in LEVELS if each.name in oldest and _coarser(each, level)]
        if name in oldest:
            begins_ns = oldest[name]
            if begins_ns <= from_ns or all(
                oldest[each.name] + each.step_ns > begins_ns for each in coarser
            ):
                return level
        elif not coarser:
            break
    return dict(_FINE_TO_COARSE)[wanted]


_FINE_TO_COARSE: tuple[tuple[LevelName, Level | None], ...] = (
    ("window", None),
    *((level.name, level) for level in LEVELS),
)


def _coarser(one: Level, than: Level | None) -> bool:
    return than is None or one.step_ns > than.step_ns
