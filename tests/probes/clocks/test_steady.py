"""How long the wall clock has run with the monotonic one."""

from __future__ import annotations

import pytest
from hand_clock import HOUR, SECOND, HandClock

from probes.clocks.steady import Steadiness

STEP_NS = SECOND


def test_clock_that_only_passes_time_is_steady_since_the_first_look() -> None:
    clock = HandClock()
    steadiness = Steadiness(clock, STEP_NS)
    assert steadiness.steady_ns() == 0
    clock.now_ns += HOUR
    assert steadiness.steady_ns() == HOUR
    assert (steadiness.was_stepped, steadiness.stepped_by_ns) == (False, 0)


@pytest.mark.parametrize("by_ns", [STEP_NS, -STEP_NS, 2 * HOUR])
def test_steadiness_begins_anew_with_a_step_either_way(by_ns: int) -> None:
    clock = HandClock()
    steadiness = Steadiness(clock, STEP_NS)
    clock.now_ns += HOUR
    clock.offset_ns += by_ns
    assert steadiness.steady_ns() == 0
    assert (steadiness.was_stepped, steadiness.stepped_by_ns) == (True, by_ns)
    clock.now_ns += 3 * SECOND
    assert steadiness.steady_ns() == 3 * SECOND
    assert steadiness.stepped_by_ns == by_ns  # of the last step, until there is another


def test_small_steps_count_once_they_add_up() -> None:
    clock = HandClock()
    steadiness = Steadiness(clock, STEP_NS)
    for _ in range(3):
        clock.now_ns += SECOND
        clock.offset_ns += STEP_NS // 4
        assert steadiness.steady_ns() == clock.now_ns - 5 * SECOND
    assert not steadiness.was_stepped
    clock.offset_ns += STEP_NS // 4
    assert steadiness.steady_ns() == 0
    assert steadiness.stepped_by_ns == STEP_NS
