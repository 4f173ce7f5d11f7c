"""The levels at which the store keeps what was measured, and for how long.

    window   as agents sent it (10 s by default)
    minute   windows that start in the minute, merged
    hour     minutes merged
    day      hours merged (UTC)

A point belongs to the interval in which it starts. Each level's points are also laid out by stream
(`span_ns` of them in one row), so that one path over a year is a few hundred rows.
"""

from __future__ import annotations

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
