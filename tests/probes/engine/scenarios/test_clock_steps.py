"""The wall clock is stepped: windows follow it, and no round trip and no loss depends on it."""

from __future__ import annotations

import time

import pytest
from engine_run import WINDOW_NS, Run, assert_every_probe_has_one_outcome, spec
from hand_clock import HOUR, SECOND
from patience import wait_until

STAND_STILL_NS = 60 * SECOND  # so long a machine may stand still between two lines


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
