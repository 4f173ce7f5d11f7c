"""Whether the wall clock runs with the monotonic one, or was stepped a while ago."""

from __future__ import annotations

from foundation.clock import Clock


class Steadiness:
    """Looks at both clocks; any thread, one at a time."""

    def __init__(self, clock: Clock, step_ns: int) -> None:
        self._clock, self._step_ns = clock, step_ns
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()
        self._since_ns = clock.monotonic_ns()
        self.stepped_by_ns = 0  # by the last step of `step_ns` or more
        self.was_stepped = False

    def steady_ns(self) -> int:
        """Look, and return for how long the wall clock has not been stepped."""
        now_ns = self._clock.monotonic_ns()
        offset_ns = self._clock.wall_ns() - now_ns
        if abs(offset_ns - self._offset_ns) >= self._step_ns:
            self.stepped_by_ns, self.was_stepped = offset_ns - self._offset_ns, True
            self._since_ns = now_ns
            self._offset_ns = offset_ns
        return now_ns - self._since_ns
