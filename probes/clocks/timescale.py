"""Wall-clock stamps carried to the monotonic scale, so that a step of the clock changes no delay.

The kernel stamps packets with CLOCK_REALTIME. Slewing moves both clocks alike, so their difference
is constant between steps and is measured once, well; a step is noticed when paired readings
disagree with it. Stamps made before the step and read after it still lie on the old scale: each
stamp is carried by the scale that puts it on its own side of the step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.clock import Clock

_PAIRS = 7  # readings of which the tightest is believed
_STEP_NS = 20_000  # smaller disagreements are the noise of reading two clocks
_SLACK_NS = 1_000_000


class TimeScale:
    """Both clocks, their difference, and (in the lab and in tests) a shift of all wall stamps."""

    def __init__(self, clock: Clock, shift_ns: int = 0) -> None:
        self._clock = clock
        self._shifts = [(0, shift_ns)]  # (true wall time from which it holds, shift)
        self.offset_ns, _ = self._measure()
        self._earlier_offset_ns = self.offset_ns
        self.steps = 0
        self.stepped_ns = 0  # monotonic time at which the last step was noticed
        self._before_step_ns = 0  # the last look at which the clock had not yet stepped
        self._looked_ns = clock.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        return self._clock.monotonic_ns()

    def wall_ns(self) -> int:
        """Return the wall clock as this engine sees it."""
        true_ns = self._clock.wall_ns()
        return true_ns + self._shift_at(true_ns)

    def inject_step(self, at_wall_ns: int, shift_ns: int) -> None:
        """Shift every wall stamp from the true time `at_wall_ns` on (tests and lab only)."""
        self._shifts.append((at_wall_ns, shift_ns))

    def look(self) -> bool:
        """Compare the clocks; return True if the wall clock has stepped since the last look."""
        before_ns = self._clock.monotonic_ns()
        offset_ns = self.wall_ns() - before_ns
        previous_ns, self._looked_ns = self._looked_ns, before_ns
        if abs(offset_ns - self.offset_ns) < _STEP_NS:
            return False
        offset_ns, gap_ns = self._measure()
        if abs(offset_ns - self.offset_ns) < _STEP_NS + gap_ns:
            return False  # this thread was interrupted between the two readings
        self._earlier_offset_ns, self.offset_ns = self.offset_ns, offset_ns
        self.steps += 1
        self._before_step_ns, self.stepped_ns = previous_ns, before_ns
        return True

    def seen_wall_ns(self, stamp_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return true wall stamps as this engine sees them: shifted."""
        if len(self._shifts) == 1:
            shift_ns = self._shifts[0][1]
            return stamp_ns + shift_ns if shift_ns else stamp_ns
        start = np.array([at for at, _ in self._shifts])
        shift = np.array([by for _, by in self._shifts])
        shifted: NDArray[np.int64] = (
            stamp_ns + shift[np.searchsorted(start, stamp_ns, side="right") - 1]
        )
        return shifted

    def to_monotonic_ns(self, wall_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Carry stamps that have been read, made before or after the last step, to the monotonic
        scale."""
        self.look()  # now, not before: the clock may have stepped until the stamps were read
        carried = wall_ns - self.offset_ns
        if not self.steps:
            return carried
        earlier = wall_ns - self._earlier_offset_ns
        after_step = (carried >= self._before_step_ns - _SLACK_NS) & (
            carried <= self._looked_ns + _SLACK_NS
        )
        before_step = earlier <= self.stepped_ns + _SLACK_NS
        return np.where(~after_step & before_step, earlier, carried)

    def _shift_at(self, true_ns: int) -> int:
        return next(by for at, by in reversed(self._shifts) if at <= true_ns)

    def _measure(self) -> tuple[int, int]:
        """Return (wall - monotonic, how long the tightest pair of readings took)."""
        best_offset_ns, best_gap_ns = 0, 1 << 62
        for _ in range(_PAIRS):
            before_ns = self._clock.monotonic_ns()
            wall_ns = self.wall_ns()
            after_ns = self._clock.monotonic_ns()
            if after_ns - before_ns < best_gap_ns:
                best_gap_ns = after_ns - before_ns
                best_offset_ns = wall_ns - (before_ns + after_ns) // 2
        return best_offset_ns, best_gap_ns
