"""Wall-clock timestamps carried to the monotonic scale, so that a step of the clock changes no
delay.

The kernel timestamps packets with CLOCK_REALTIME. Slewing moves both clocks alike, so their
difference is constant between steps and is measured once, well; a change is noticed when paired
readings disagree with it, and from then on another difference holds. Timestamps made before a
change and read after it still lie on the old scale: each timestamp is carried by the scale that
puts it on its own side of the change, and after what caused it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foundation.clock import Clock

STEP_NS = 1_000_000  # a lesser change is followed, and no step that anybody need know of
SLACK_NS = 1_000_000  # how far two readings of one moment may lie apart on a busy machine
_PAIRS = 7  # readings of which the tightest is believed
_CHANGE_NS = 20_000  # smaller disagreements are the noise of reading two clocks
_REMEMBERED_NS = 300_000_000_000  # after a change: no timestamp is read so long after it was made
_MOST_REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class _Past:
    """A difference that held once: not before `since_ns`, not after `until_ns`, monotonic."""

    offset_ns: int
    since_ns: int
    until_ns: int


class TimeScale:
    """Both clocks, their difference, and (in the lab and in tests) a shift of all wall
    timestamps.
    """

    def __init__(self, clock: Clock, shift_ns: int = 0) -> None:
        self._clock = clock
        self._shifts = [(0, shift_ns)]  # (true wall time from which it holds, shift)
        self.offset_ns, _ = self._measure()
        self.changes = 0  # of the difference, steps and lesser ones
        self.steps = 0
        self.changed_ns = 0  # monotonic time at which the last change was noticed
        self._since_ns = 0  # the last look at which the present difference did not hold yet
        self._past: list[_Past] = []  # newest first
        self._looked_ns = clock.monotonic_ns()

    @property
    def is_unsettled(self) -> bool:
        """Tell that the clock changed not long ago, so that timestamps need a closer look."""
        return bool(self._past)

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        return self._clock.monotonic_ns()

    def wall_ns(self) -> int:
        """Return the wall clock as this engine sees it."""
        true_ns = self._clock.wall_ns()
        return true_ns + self._shift_at(true_ns)

    def inject_step(self, at_wall_ns: int, shift_ns: int) -> None:
        """Shift every wall timestamp from the true time `at_wall_ns` on (tests and lab only)."""
        self._shifts.append((at_wall_ns, shift_ns))

    def look(self) -> bool:
        """Compare the clocks; return True if the wall clock has changed since the last look."""
        before_ns = self._clock.monotonic_ns()
        offset_ns = self.wall_ns() - before_ns
        previous_ns, self._looked_ns = self._looked_ns, before_ns
        if abs(offset_ns - self.offset_ns) < _CHANGE_NS:
            return False
        offset_ns, gap_ns = self._measure()
        if abs(offset_ns - self.offset_ns) < _CHANGE_NS + gap_ns:
            return False  # this thread was interrupted between the two readings
        self._past = [_Past(self.offset_ns, self._since_ns, before_ns), *self._past]
        del self._past[_MOST_REMEMBERED:]
        self.changes += 1
        self.steps += abs(offset_ns - self.offset_ns) >= STEP_NS
        self.offset_ns, self._since_ns, self.changed_ns = offset_ns, previous_ns, before_ns
        return True

    def seen_wall_ns(self, timestamp_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return true wall timestamps as this engine sees them: shifted."""
        if len(self._shifts) == 1:
            shift_ns = self._shifts[0][1]
            return timestamp_ns + shift_ns if shift_ns else timestamp_ns
        start = np.array([at for at, _ in self._shifts])
        shift = np.array([by for _, by in self._shifts])
        shifted: NDArray[np.int64] = (
            timestamp_ns + shift[np.searchsorted(start, timestamp_ns, side="right") - 1]
        )
        return shifted

    def to_monotonic_ns(
        self, wall_ns: NDArray[np.int64], cause_ns: NDArray[np.int64] | int = 0
    ) -> NDArray[np.int64]:
        """Carry timestamps that have been read, made before or after changes of the clock, to the
        monotonic scale.

        `cause_ns` (monotonic) is what each of them came after: where more than one scale could have
        made a timestamp, the earliest moment after its cause is taken. What none could have made
        lies where the present scale puts it (`is_possible`).
        """
        self.look()  # now, not before: the clock may have changed until the timestamps were read
        carried = wall_ns - self.offset_ns
        while self._past and self._past[-1].until_ns < self._looked_ns - _REMEMBERED_NS:
            del self._past[-1]
        if not self._past:
            return carried
        earliest = np.full(len(wall_ns), np.iinfo(np.int64).max)
        present = _Past(self.offset_ns, self._since_ns, self._looked_ns)
        for scale in (present, *self._past):
            moment = wall_ns - scale.offset_ns
            possible = (moment >= scale.since_ns - SLACK_NS) & (moment >= cause_ns - SLACK_NS)
            possible &= moment <= scale.until_ns + SLACK_NS
            earliest = np.where(possible, np.minimum(earliest, moment), earliest)
        return np.where(earliest == np.iinfo(np.int64).max, carried, earliest)

    def is_possible(
        self, moment_ns: NDArray[np.int64], cause_ns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell which moments lie between their cause and now."""
        return (moment_ns >= cause_ns - SLACK_NS) & (moment_ns <= self._looked_ns + SLACK_NS)

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
