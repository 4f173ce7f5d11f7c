"""When the engine wakes: probes share a tick, none is sent far from its time, none waits alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.pacing import Pacer
from probes.engine.ticks import Ticks

MS = 1_000_000


def pacer(streams: int, interval_ms: float, probes: int | None = None) -> Pacer:
    made = Pacer(np.random.default_rng(7))
    interval_ns = np.full(streams, interval_ms * MS)
    made.add(0, interval_ns, np.full(streams, 0.1), np.zeros(streams, np.bool_), probes)
    return made


def run(made: Pacer, seconds: float, patience_ns: int = 400 * MS) -> tuple[np.ndarray, list[int]]:
    """Wake whenever told; return (sent - planned of each probe, the wakings)."""
    ticks, now_ns, collected_ns = Ticks(made), 0, 0
    shifts, wakings = [np.zeros(0, np.int64)], []
    while now_ns < seconds * 1e9:
        wakings.append(now_ns)
        horizon_ns = ticks.horizon_ns(now_ns)
        if horizon_ns is not None:
            shifts.append(now_ns - made.take(now_ns, horizon_ns).planned_ns)
        if now_ns >= collected_ns + patience_ns:
            collected_ns = now_ns
        now_ns = max(ticks.next_ns(collected_ns, patience_ns), now_ns + 20_000)
    return np.concatenate(shifts), wakings


@given(st.integers(1, 2_000), st.sampled_from([20.0, 200.0, 420.0, 1_000.0, 60_000.0]))
def test_no_probe_is_sent_further_from_its_time_than_the_jitter_is_wide(
    streams: int, interval_ms: float
) -> None:
    shift_ns, _ = run(pacer(streams, interval_ms), 0.5)
    assert np.abs(shift_ns).max(initial=0) <= min(0.1 * interval_ms, 100) * MS + 20_000


def test_every_interval_still_has_one_probe() -> None:
    shift_ns, _ = run(pacer(1_000, 1_000.0), 10.0)
    assert len(shift_ns) // 1_000 in (9, 10, 11)
    assert abs(float(shift_ns.mean())) < 5 * MS  # as often before their time as after


def test_a_thousand_streams_wake_the_engine_five_times_a_second() -> None:
    _, wakings = run(pacer(1_000, 1_000.0), 10.0)
    assert len(wakings) <= 52


def test_a_lone_stream_is_sent_on_time() -> None:
    shift_ns, _ = run(pacer(1, 1_000.0), 20.0)
    assert (shift_ns >= 0).all()
    assert shift_ns.max() <= 20_000


def test_the_first_probe_does_not_wait_for_a_tick_to_pass() -> None:
    made = pacer(1_000, 1_000.0)
    ticks = Ticks(made)
    assert ticks.horizon_ns(0) is None
    assert ticks.next_ns(0, 400 * MS) == made.next_due_ns() < 100 * MS


def test_answers_are_collected_where_nothing_is_left_to_send() -> None:
    ticks = Ticks(pacer(0, 1_000.0))
    assert ticks.next_ns(1_000 * MS, 20 * MS) == 1_020 * MS
