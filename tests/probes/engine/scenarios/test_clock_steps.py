"""The wall clock is stepped: windows follow it, and no round trip and no loss depends on it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from engine_run import WINDOW_NS, Run, assert_every_probe_has_one_outcome, spec
from hypothesis import given
from hypothesis import strategies as st
from patience import wait_until

from probes.clocks.timescale import TimeScale
from probes.engine.windows import OpenWindows
from probes.window import WindowBatch

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
STAND_STILL_NS = 60 * SECOND  # so long a machine may stand still between two lines


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ns = 5 * SECOND
        self.offset_ns = 1_700_000_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns


def measured_across_a_step(before_ns: int, after_ns: int, protocol: str, port: int) -> Run:
    """Measure while the clock is `before_ns` off, and until it has been `after_ns` off a while."""
    run = Run(spec(protocol, port=port), probes=None, timestamp_shift_ns=before_ns)
    run.engine.start()
    wait_until(lambda: any(not batch.suspect.any() for batch in run.windows))
    run.engine.scale.inject_step(time.time_ns(), after_ns)
    wait_until(lambda: run.engine.health().clock_steps)
    seen = len(run.windows)
    wait_until(lambda: len(run.windows) >= seen + 5)
    wait_until(lambda: any(not batch.suspect.any() for batch in run.windows[seen:]))
    run.engine.stop()
    return run


@pytest.mark.network
@pytest.mark.parametrize(
    ("before_ns", "after_ns"), [(0, 2 * HOUR), (0, -2 * HOUR), (-86_402 * SECOND, 0)]
)
def test_windows_have_the_times_of_the_clock_after_it_was_stepped(
    small_reflector, before_ns: int, after_ns: int
) -> None:
    begun_ns = time.time_ns()
    run = measured_across_a_step(before_ns, after_ns, "udp", small_reflector().port)
    new = [batch for batch in run.windows if abs(batch.start_ns - begun_ns - after_ns) < HOUR / 2]
    old = [batch for batch in run.windows if abs(batch.start_ns - begun_ns - before_ns) < HOUR / 2]
    assert len(new) >= 3
    assert [*old, *new] == run.windows  # in the order in which they were measured
    for batch in new:
        assert batch.start_ns % WINDOW_NS == 0
        assert begun_ns <= batch.start_ns - after_ns <= time.time_ns()
    assert old[-1].suspect.all()  # the clock was stepped in it
    assert not all(batch.suspect.all() for batch in old)
    assert not all(batch.suspect.all() for batch in new)
    assert_every_probe_has_one_outcome(run)
    assert run.total("received") == run.total("sent") > 0
    rtt_ns = run.column("rtt_ns")
    assert rtt_ns.min() > -1_000_000
    assert rtt_ns.max() < STAND_STILL_NS


@pytest.mark.network
def test_a_clock_that_two_daemons_pull_to_and_fro_loses_no_probe(small_reflector) -> None:
    run = Run(spec("udp", port=small_reflector().port), probes=None)
    run.engine.start()
    scale = run.engine.scale
    for number in range(1, 11):
        scale.inject_step(time.time_ns(), (number % 2) * 2 * HOUR)
        wait_until(lambda number=number: scale.steps >= number)
    wait_until(lambda: run.engine.health().probes_received >= 100)
    run.engine.stop()
    assert run.total("received") == run.total("sent")
    assert run.column("rtt_ns").max() < STAND_STILL_NS
    assert_every_probe_has_one_outcome(run)


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


STEPS = st.lists(
    st.tuples(
        st.integers(1, 30 * SECOND), st.sampled_from([0, 0, 0, 1, SECOND, 7 * SECOND, 2 * HOUR])
    ),
    min_size=1,
    max_size=30,
)


@given(STEPS, st.booleans())
def test_a_probe_is_in_one_window_that_began_when_the_clock_said(
    course: list[tuple[int, int]], backwards: bool
) -> None:
    closed: list[WindowBatch] = []
    clock = HandClock()
    windows = OpenWindows(10 * SECOND, clock.offset_ns, closed.append)
    opened: dict[int, int] = {}
    numbers = []
    for passed_ns, step_ns in course:
        clock.now_ns += passed_ns
        if step_ns:
            clock.offset_ns += -step_ns if backwards else step_ns
            windows.anchor(clock.now_ns, clock.offset_ns)
        number = windows.number_at(clock.now_ns)
        numbers.append(number)
        windows.sent(number, 1)
        start_ns = opened.setdefault(number, windows._open[number].start_ns)
        assert start_ns % (10 * SECOND) == 0
        assert start_ns <= clock.wall_ns() < start_ns + 10 * SECOND
    assert numbers == sorted(numbers)


def test_a_window_goes_on_while_the_clock_still_shows_its_interval() -> None:
    windows = OpenWindows(10 * SECOND, 0, lambda batch: None)
    windows.sent(windows.number_at(3 * SECOND), 1)
    windows.anchor(4 * SECOND, 5 * SECOND)  # it is the second 9 of the same ten
    assert windows.number_at(4 * SECOND) == 0
    assert windows._open[0].end_ns == 5 * SECOND
    assert windows.number_at(5 * SECOND) == 1
