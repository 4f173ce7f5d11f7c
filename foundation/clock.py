"""The edge where time enters. Everything inside takes time as an argument."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two scales: one that never steps, and the calendar."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a scale that neither steps nor stops."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds of CLOCK_REALTIME."""
        return time.time_ns()


class StoppedClock:
    """A clock that is at one moment, for what is judged as of then."""

    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns

    def monotonic_ns(self) -> int:
        """The moment."""
        return self._wall_ns

    def wall_ns(self) -> int:
        """The moment."""
        return self._wall_ns
