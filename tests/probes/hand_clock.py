"""A clock that is set by hand."""

from __future__ import annotations

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


class HandClock:
    """Stands still until a test moves it: `now_ns` is its monotonic time, and the wall clock is
    `offset_ns` ahead of that. `reading_ns` pass with each look at it."""

    def __init__(self, reading_ns: int = 0) -> None:
        self.now_ns = 5 * SECOND
        self.offset_ns = 1_700_000_000 * SECOND
        self.reading_ns = reading_ns

    def monotonic_ns(self) -> int:
        self.now_ns += self.reading_ns
        return self.now_ns

    def wall_ns(self) -> int:
        self.now_ns += self.reading_ns
        return self.now_ns + self.offset_ns
