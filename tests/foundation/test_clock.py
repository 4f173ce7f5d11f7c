"""Two scales, one of which never steps; and a clock that stands still."""

import time

from foundation.clock import StoppedClock, SystemClock


def test_the_machines_clocks_are_the_calendar_and_one_that_only_goes_forward() -> None:
    clock = SystemClock()
    before = time.time_ns(), time.monotonic_ns()
    told = clock.wall_ns(), clock.monotonic_ns()
    after = time.time_ns(), time.monotonic_ns()
    assert before[0] <= told[0] <= after[0]
    assert before[1] <= told[1] <= after[1]


def test_a_stopped_clock_stands_at_its_moment() -> None:
    clock = StoppedClock(1_700_000_000_000_000_001)
    assert {clock.wall_ns(), clock.wall_ns(), clock.monotonic_ns()} == {1_700_000_000_000_000_001}
