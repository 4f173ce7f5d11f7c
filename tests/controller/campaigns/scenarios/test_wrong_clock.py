"""A clock that is wrong for a while begins no campaign, ends none and misses none."""

from typing import Any

import pytest
from campaign_calls import SECOND_NS, asked, post, show

from controller.supervision.clock_trust import DOUBTED_NS

DAYS_NS = 20 * 86_400 * SECOND_NS


class SteppedClock:
    """A clock that is moved, and whose wall time is stepped apart from the monotonic one."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000 * SECOND_NS
        self.stepped_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns - 1_700_000_000 * SECOND_NS

    def wall_ns(self) -> int:
        return self.now_ns + self.stepped_ns


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.mark.parametrize("step_ns", [DAYS_NS, 7_000 * SECOND_NS])
async def test_a_clock_that_was_stepped_begins_and_ends_no_campaign(
    controller: Any, clock: SteppedClock, step_ns: int
) -> None:
    state = controller.services
    begin_ns = clock.now_ns + 3_600 * SECOND_NS
    await post(controller, asked(begin_ns=begin_ns, duration_s=3_600))
    clock.stepped_ns = step_ns
    assert not await state.scheduler.look()
    assert (await show(controller))["state"] == "scheduled"
    clock.now_ns += 100 * SECOND_NS
    clock.stepped_ns = 0
    assert not await state.scheduler.look()  # the step back is one too
    clock.now_ns = begin_ns + DOUBTED_NS
    assert await state.scheduler.look()
    running = await show(controller)
    assert running["state"] == "running"
    clock.stepped_ns = step_ns
    assert not await state.scheduler.look()
    assert (await show(controller))["state"] == "running"
