"""What is told by the kernel is carried to the monotonic scale, whatever the wall clock did."""

from __future__ import annotations

import numpy as np
import pytest
from hand_clock import HOUR, SECOND, HandClock
from hypothesis import given
from hypothesis import strategies as st

from probes.clocks.timescale import TimeScale


@pytest.mark.parametrize("step_ns", [10 * SECOND, -10 * SECOND])
def test_timestamps_from_both_sides_of_a_clock_step_are_carried_rightly(step_ns: int) -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    before = np.array([clock.wall_ns()])
    clock.now_ns += 5_000_000
    clock.offset_ns += step_ns
    after = np.array([clock.wall_ns()])
    clock.now_ns += 5_000_000
    assert scale.look()
    assert scale.to_monotonic_ns(np.concatenate([before, after])).tolist() == [
        5 * SECOND,
        5 * SECOND + 5_000_000,
    ]
    assert not scale.look()


@pytest.mark.parametrize("step_ns", [-50_000_000, 50_000_000])
def test_a_small_step_moves_no_round_trip(step_ns: int) -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    sent_ns = np.full(2, clock.monotonic_ns())
    clock.now_ns += 100_000
    before = clock.wall_ns()
    clock.now_ns += 100_000
    clock.offset_ns += step_ns
    after = clock.wall_ns()
    clock.now_ns += 200_000_000  # answers wait until they are collected
    arrived_ns = scale.to_monotonic_ns(np.array([before, after]), sent_ns)
    assert (arrived_ns - sent_ns).tolist() == [100_000, 200_000]


def test_timestamps_that_no_scale_could_have_made_are_told() -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    sent_ns = np.full(2, clock.monotonic_ns())
    clock.now_ns += SECOND
    clock.offset_ns += HOUR
    timestamps = np.array([clock.wall_ns() + 3 * HOUR, clock.wall_ns()])
    moments = scale.to_monotonic_ns(timestamps, sent_ns)
    assert scale.is_possible(moments, sent_ns).tolist() == [False, True]


def test_what_slewing_adds_up_to_is_followed_and_is_no_step() -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    for _ in range(1_000):
        clock.now_ns += 100_000_000
        clock.offset_ns += 50_000
        scale.look()
    assert abs(clock.offset_ns - scale.offset_ns) < 100_000
    assert (scale.steps, scale.changes > 100) == (0, True)


@pytest.mark.parametrize("shift_ns", [0, 3 * HOUR])
def test_engine_sees_the_wall_clock_with_the_shift_it_was_given(shift_ns: int) -> None:
    clock = HandClock()
    scale = TimeScale(clock, shift_ns)
    assert scale.wall_ns() == clock.wall_ns() + shift_ns
    seen_ns = scale.seen_wall_ns(np.array([clock.wall_ns()]))
    assert seen_ns.tolist() == [clock.wall_ns() + shift_ns]
    assert scale.to_monotonic_ns(seen_ns).tolist() == [clock.monotonic_ns()]


def test_injected_step_holds_from_its_moment_on() -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    at_ns = clock.wall_ns() + SECOND
    scale.inject_step(at_ns, HOUR)
    true_ns = np.array([at_ns - 1, at_ns, at_ns + 1])
    assert (scale.seen_wall_ns(true_ns) - true_ns).tolist() == [0, HOUR, HOUR]
    assert not scale.look()
    clock.now_ns += SECOND
    assert scale.look()
    assert (scale.steps, scale.changes, scale.changed_ns) == (1, 1, clock.now_ns)


@given(st.integers(0, 10_000), st.integers(-19_000, 19_000))
def test_noise_of_reading_two_clocks_is_no_change(reading_ns: int, noise_ns: int) -> None:
    clock = HandClock(reading_ns)
    scale = TimeScale(clock)
    clock.offset_ns += noise_ns
    assert not scale.look() or abs(noise_ns) + 2 * reading_ns >= 20_000
    assert not scale.is_unsettled or abs(noise_ns) + 2 * reading_ns >= 20_000


def test_a_change_is_forgotten_when_none_of_its_timestamps_can_come_any_more() -> None:
    clock = HandClock()
    scale = TimeScale(clock)
    clock.offset_ns += HOUR
    assert scale.look()
    assert scale.is_unsettled
    clock.now_ns += 301 * SECOND
    scale.to_monotonic_ns(np.array([clock.wall_ns()]))
    assert not scale.is_unsettled
