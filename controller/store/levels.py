"""The levels at which the store keeps what was measured, for how long, and which one answers.

    window   as agents sent it (10 s by default)
    minute   windows that start in the minute, merged
    hour     minutes merged
    day      hours merged (UTC)

A point belongs to the interval in which it starts. Each level's points are also laid out by stream
(`span_ns` of them in one row), so that one path over a year is a few hundred rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LevelName = Literal["window", "minute", "hour", "day"]

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of rollup: `code` in the database, length of a point, points in a tile."""

    code: int
    name: LevelName
    step_ns: int
    slots: int

    @property
    def span_ns(self) -> int:
        """How long a tile is."""
        return self.step_ns * self.slots


MINUTE = Level(code=1, name="minute", step_ns=60 * SECOND_NS, slots=60)
HOUR = Level(code=2, name="hour", step_ns=3600 * SECOND_NS, slots=24)
DAY = Level(code=3, name="day", step_ns=DAY_NS, slots=30)
LEVELS = (MINUTE, HOUR, DAY)
_FINE_TO_COARSE: tuple[tuple[LevelName, Level | None], ...] = (
    ("window", None),
    *((level.name, level) for level in LEVELS),
)
MAX_WINDOW_SPAN_NS = HOUR.step_ns  # more is answered by minutes, unless windows are asked for
ORDINARY_WINDOW_NS = 10_000_000_000
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many days each level is kept. Each is kept at least as long as the finer one.

    An agent's spool holds windows for 7 days, so those of 14 days take in whatever it has left;
    older ones are refused, because the keys by which a repetition is known go with the chunks.
    """

    window_days: int = 14
    minute_days: int = 62
    hour_days: int = 800
    day_days: int = 3660

    def __post_init__(self) -> None:
        kept = (self.window_days, self.minute_days, self.hour_days, self.day_days)
        if min(kept) < 1 or list(kept) != sorted(kept) or max(kept) > _LONGEST_DAYS:
            raise ValueError("each level is kept at least as long as the finer one")

    def oldest_ns(self, level: LevelName, now_ns: int) -> int:
        """Return the start before which a level is no longer kept at `now_ns`."""
        days: int = getattr(self, f"{level}_days")
        return now_ns - days * DAY_NS


KEPT = Retention()  # if nobody asks for anything else


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


def _coarser(one: Level, than: Level | None) -> bool:
    return than is None or one.step_ns > than.step_ns
