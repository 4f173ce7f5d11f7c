"""A wrong clock does nothing that cannot be undone."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from controller.fleet.agents import Fleet
from controller.store.levels import DAY_NS, SECOND_NS, Retention
from controller.store.sqlite.engine import open_store
from controller.supervision.clock_trust import DOUBTED_NS, PACE, STEADY_NS, ClockTrust
from messages.exchange import Health
from tests.controller.store.stored_chunks import chunk_of_batch

NOW_NS = 1_800_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
KEPT = Retention(window_days=14)


class Clocks:
    """A wall clock that is stepped apart from the monotonic one."""

    def __init__(self) -> None:
        self.passed_ns = self.stepped_ns = 0

    def monotonic_ns(self) -> int:
        return self.passed_ns

    def wall_ns(self) -> int:
        return NOW_NS + self.passed_ns + self.stepped_ns


class Bench:
    """Three agents that deliver, whose clocks are right, and a store that holds 14 days."""

    def __init__(self) -> None:
        self.clock = Clocks()
        self.fleet = Fleet(["a", "b", "c"], {}, self.clock)
        self.trust = ClockTrust(self.clock, self.fleet, KEPT, lambda: NOW_NS - 14 * DAY_NS)

    def live(self, seconds: float, every_s: float = 10, *, tells: bool = True) -> None:
        """Let time pass in which every agent delivers a window and `tells` how it is."""
        for _ in range(round(seconds / every_s)):
            self.clock.passed_ns += round(every_s * SECOND_NS)
            true_ns = NOW_NS + self.clock.passed_ns
            for name in self.fleet.now().names:
                self.fleet.stored(name, {"windows": 1}, true_ns)
                health = Health(version="1", boot="b", started_ns=0, sent_ns=true_ns)
                self.fleet.heard(name, health if tells else None)
            self.trust.doubt()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_history_is_forgotten_by_a_clock_that_was_steady(bench: Bench) -> None:
    bench.live(60)
    assert bench.trust.forget_as_of_ns() is None
    bench.live(STEADY_NS / 1e9)
    assert bench.trust.forget_as_of_ns() is not None
    bench.live(60)
    as_of_ns = bench.trust.forget_as_of_ns()
    assert as_of_ns is not None
    assert bench.clock.wall_ns() - as_of_ns < HOUR_NS
    assert bench.trust.changes() == []


@pytest.mark.parametrize("days", [20, 4000])
def test_a_clock_ahead_forgets_nothing_and_is_told(bench: Bench, days: int) -> None:
    bench.live(STEADY_NS / 1e9)
    bench.clock.stepped_ns = days * DAY_NS
    assert bench.trust.forget_as_of_ns() is None
    (event,) = bench.trust.changes()
    assert (event.kind, event.subject, event.state) == ("controller", "clock", "doubted")
    bench.live(100)
    assert bench.trust.forget_as_of_ns() is None
    bench.clock.stepped_ns = 0
    bench.live(DOUBTED_NS / 1e9 + 20)
    assert [event.state for event in bench.trust.changes()] == ["trusted"]


def test_a_clock_that_was_wrong_from_the_start_is_contradicted_by_the_agents(bench: Bench) -> None:
    bench.clock.stepped_ns = 20 * DAY_NS
    bench.trust = ClockTrust(bench.clock, bench.fleet, KEPT, lambda: NOW_NS - 14 * DAY_NS)
    bench.live(2 * STEADY_NS / 1e9)
    doubt = bench.trust.doubt()
    assert doubt is not None
    assert "3 of 3 agents" in doubt.en
    assert "+1728000 s wrong" in doubt.en
    assert bench.trust.forget_as_of_ns() is None


def test_windows_bound_what_is_forgotten_where_no_agent_tells_its_clock(bench: Bench) -> None:
    bench.clock.stepped_ns = 20 * DAY_NS
    bench.trust = ClockTrust(bench.clock, bench.fleet, KEPT, lambda: NOW_NS - 14 * DAY_NS)
    bench.live(2 * STEADY_NS / 1e9, tells=False)
    for _ in range(60):
        bench.live(60, tells=False)
        as_of_ns = bench.trust.forget_as_of_ns()
        assert as_of_ns is not None
        assert as_of_ns <= NOW_NS + bench.clock.passed_ns


def test_one_agent_with_a_wrong_clock_neither_accuses_ours_nor_moves_the_end_of_history(
    bench: Bench,
) -> None:
    bench.live(STEADY_NS / 1e9)
    bench.fleet.stored("a", {"windows": 1}, NOW_NS + 400 * DAY_NS)
    ahead = Health(version="1", boot="b", started_ns=0, sent_ns=NOW_NS + 400 * DAY_NS)
    bench.fleet.heard("a", ahead)
    assert bench.trust.doubt() is None
    for _ in range(9):
        bench.fleet.heard("a", ahead)
        as_of_ns = bench.trust.forget_as_of_ns()
        assert as_of_ns is not None
        assert as_of_ns <= bench.clock.wall_ns()


def test_no_round_forgets_more_than_its_share_of_time(bench: Bench) -> None:
    """Everybody's clocks are wrong alike, from the start: somebody has hours to notice."""
    oldest_ns = NOW_NS - 100 * DAY_NS
    bench.trust = ClockTrust(bench.clock, bench.fleet, KEPT, lambda: oldest_ns)
    bench.live(STEADY_NS / 1e9)
    first_ns = bench.trust.forget_as_of_ns()
    assert first_ns == oldest_ns + 14 * DAY_NS
    bench.live(60)
    then_ns = bench.trust.forget_as_of_ns()
    assert then_ns == first_ns + PACE * 60 * SECOND_NS


def test_what_was_marked_by_a_clock_ahead_is_rolled_up_all_the_same(
    tmp_path: pathlib.Path, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    store = open_store(tmp_path)
    start_ns = NOW_NS // (60 * SECOND_NS) * 60 * SECOND_NS
    batch = batch_of([5], start_ns)
    payload = chunk_of(batch, agent="nanjing", sequence=0)
    stored = chunk_of_batch(batch, payload, received_ns=start_ns + 20 * DAY_NS)
    store.windows.put_chunk(stored).result()
    assert store.windows.oldest_ns() == start_ns
    assert store.rollups.roll_up(start_ns + HOUR_NS, 10) == 1
    store.close()
