"""When probes are due: never early, never in bursts to catch up, Poisson where asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hand_clock import SECOND
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.pacing import NEVER_NS, Pacer

INTERVAL_NS = 1_000_000.0


def pacer(streams: int = 1, *, poisson: bool = False, probes: int | None = None) -> Pacer:
    made = Pacer(np.random.default_rng(7))
    made.add(
        0,
        np.full(streams, INTERVAL_NS),
        np.full(streams, 0.1),
        np.full(streams, poisson),
        probes,
    )
    return made


def planned(made: Pacer, moments: list[int]) -> list[int]:
    return [due for now in moments for due in made.take(now).planned_ns.tolist()]


def test_every_interval_has_one_probe_within_its_jitter() -> None:
    made = pacer()
    due = np.array(planned(made, list(range(0, 100_000_000, 50_000))))
    phase = due[0] // 1  # of the first interval, with its jitter
    number = np.round((due - phase) / INTERVAL_NS)
    assert number.tolist() == list(range(len(due)))
    assert (np.abs(due - phase - number * INTERVAL_NS) <= 0.1 * INTERVAL_NS).all()
    assert made.skipped == 0


@given(st.lists(st.integers(1, 20_000_000), min_size=1, max_size=30))
def test_a_late_sender_leaves_probes_out_and_sends_no_burst(gaps: list[int]) -> None:
    made = pacer()
    now, sent = 0, 0
    for gap in gaps:
        now += gap
        taken = len(made.take(now).stream)
        assert taken <= 1
        sent += taken
    intervals = now / INTERVAL_NS
    assert intervals - 2.2 <= sent + made.skipped <= intervals + 1


def test_a_late_sender_of_so_many_probes_says_how_many_intervals_went_by() -> None:
    made = pacer(2, probes=3)
    moments = [2_000_000, 5_500_000, 9_500_000, 19_500_000, 20_000_000]
    assert len(planned(made, moments)) == 6
    assert made.finished()
    # At 5.5 ms the second of each is late by 2 or 3; after the third nothing is due any more.
    assert made.late_intervals(0) in (2, 3)
    assert made.late_moments == 1
    assert made.skipped == made.late_intervals(0) + made.late_intervals(1)


def test_poisson_gaps_are_exponential_about_the_interval() -> None:
    made = pacer(poisson=True)
    due = [made.next_due_ns()]
    for _ in range(4_000):
        made.take(due[-1])
        due.append(made.next_due_ns())
    gaps = np.diff(due)
    assert abs(gaps.mean() / INTERVAL_NS - 1) < 0.05
    assert abs(gaps.std() / INTERVAL_NS - 1) < 0.1
    assert made.skipped == 0


def test_streams_end_after_their_probes_and_stopped_ones_are_never_due() -> None:
    made = pacer(3, probes=2)
    assert made.shortest_interval_ns == INTERVAL_NS
    assert made.rate_per_s == 3_000
    made.stop(np.array([1]))
    assert made.rate_per_s == 2_000
    assert len(planned(made, list(range(0, 10_000_000, 100_000)))) == 4
    assert made.finished()
    assert made.next_due_ns() == NEVER_NS


def begun_at_once(streams: int, interval_ns: float) -> list[int]:
    made = Pacer(np.random.default_rng(7))
    every = np.full(streams, interval_ns), np.full(streams, 0.1), np.full(streams, False)
    made.add(1_000, *every, 2, at_once=True)
    return made.take(NEVER_NS - 1).planned_ns.tolist()


def test_a_stream_that_begins_at_once_is_due_now_without_jitter() -> None:
    assert begun_at_once(1, 1e9) == [1_000]


def test_streams_that_begin_at_once_are_a_millisecond_apart() -> None:
    assert begun_at_once(3, 1e9) == [1_000, 1_001_000, 2_001_000]


def test_many_streams_that_begin_at_once_fill_their_interval_and_no_more() -> None:
    assert begun_at_once(4, 2e6) == [1_000, 501_000, 1_001_000, 1_501_000]


def test_a_stream_of_no_probes_does_not_begin_at_once() -> None:
    made = Pacer(np.random.default_rng(7))
    made.add(0, np.full(1, 1e9), np.full(1, 0.1), np.full(1, False), 0, at_once=True)
    assert made.finished()


def every_second(
    count: int, *, poisson: bool = False, probes: int | None = None, seed: int = 1
) -> Pacer:
    made = Pacer(np.random.default_rng(seed))
    made.add(0, np.full(count, 1e9), np.full(count, 0.1), np.full(count, poisson), probes)
    return made


def test_periodic_probes_keep_their_interval_and_jitter() -> None:
    streams = every_second(50)
    planned: dict[int, list[int]] = {row: [] for row in range(50)}
    for now_ns in range(0, 30 * SECOND, 10_000_000):
        due = streams.take(now_ns)
        for row, at in zip(due.stream, due.planned_ns, strict=True):
            planned[row].append(at)
    for times in planned.values():
        assert len(times) in (29, 30)
        gaps = np.diff(times) / 1e9
        assert (abs(gaps - 1) <= 0.1 + 1e-9).all()
    assert streams.skipped == 0


def test_streams_never_fall_into_step() -> None:
    streams = every_second(1_000)
    batches = [len(streams.take(now_ns).stream) for now_ns in range(0, 5 * SECOND, 10_000_000)]
    assert max(batches[1:]) < 40  # ten on the mean


def test_poisson_gaps_have_the_right_mean_and_spread() -> None:
    streams = every_second(1, poisson=True)
    times = []
    while len(times) < 4_000:
        times += streams.take(streams.next_due_ns()).planned_ns.tolist()
    gaps = np.diff(times) / 1e9
    assert gaps.mean() == pytest.approx(1, rel=0.1)
    assert gaps.std() == pytest.approx(1, rel=0.1)


def test_a_sender_that_fell_behind_sends_no_burst() -> None:
    streams = every_second(1)
    streams.take(SECOND)
    assert len(streams.take(60 * SECOND).stream) == 1
    assert streams.next_due_ns() > 59 * SECOND
    assert streams.skipped >= 57


def test_streams_end_after_their_probes() -> None:
    streams = every_second(3, probes=2)
    sent = sum(len(streams.take(now * SECOND // 4).stream) for now in range(40))
    assert sent == 6
    assert streams.finished()
    assert streams.next_due_ns() == NEVER_NS
