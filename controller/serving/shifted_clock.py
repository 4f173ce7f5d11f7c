"""A wall clock that is wrong on purpose: laboratories step it while the controller runs."""

from __future__ import annotations

import time
from pathlib import Path

from foundation.clock import SystemClock


class ShiftedClock(SystemClock):
    """A wall clock that is wrong by the nanoseconds a file names, 0 without it (laboratories)."""

    def __init__(self, shift_file: Path) -> None:
        self._shift_file = shift_file

    def wall_ns(self) -> int:
        """Nanoseconds of CLOCK_REALTIME and the shift of this moment."""
        try:
            return time.time_ns() + int(self._shift_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return time.time_ns()
