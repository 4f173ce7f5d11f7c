"""One report says how an agent is, and keeps absent what is not known."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from agent.clock_watch import ClockWatch
from agent.conditions import Conditions
from agent.config import ClockConfig
from agent.health import HealthReporter
from agent.measuring.measuring import Measuring
from agent.measuring.unanswered_journal import UnansweredJournal
from agent.policy.policy import Policy
from agent.self_test import SelfTest
from agent.spool.spooler import Spooler
from foundation.clock import Clock
from foundation.text import Text
from messages.exchange import MAX_CONDITIONS, Plan
from messages.sections.windows import WINDOWS
from tests.agent.conftest import MakeWindows

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ns, self.offset_ns = 5 * SECOND, 500_000 * HOUR

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns


async def nothing() -> None:
    return None


@dataclass
class Agent:
    """What a report is made of."""

    measuring: Measuring
    spooler: Spooler
    conditions: Conditions
    reporter: HealthReporter


@contextlib.asynccontextmanager
async def agent(
    tmp_path: Path, clock: Clock, declared_us: float | None = None
) -> AsyncIterator[Agent]:
    spooler = Spooler(tmp_path / "s", agent="a1", max_bytes=1 << 20, max_age_s=1e6)
    conditions = Conditions()
    watch = ClockWatch(ClockConfig(declared_bound_us=declared_us), clock)
    if declared_us is not None:
        watch.look()
    measuring = Measuring(
        on_windows=lambda batch, version: None,
        clock=clock,
        own_clock_bound_ns=watch.bound_ns,
        timestamp_shift_ns=0,
        conditions=conditions,
        policy=Policy(),
        sent_counters=spooler.sent_counters,
        settle=nothing,
        journal=UnansweredJournal(None, clock),
    )
    reporter = HealthReporter(
        version="1",
        measuring=measuring,
        spooler=spooler,
        conditions=conditions,
        clock=clock,
        clock_watch=watch,
        self_test=SelfTest(conditions),
    )
    yield Agent(measuring, spooler, conditions, reporter)
    spooler.close()


async def test_an_agent_whose_clock_was_a_day_wrong_at_boot_says_rightly_since_when_it_runs(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    async with agent(tmp_path, clock) as made:
        clock.offset_ns += 24 * HOUR  # time is set by the network at last
        clock.now_ns += 10 * SECOND
        health = await made.reporter.report()
    assert (health.sent_ns - health.started_ns, health.sent_ns) == (10 * SECOND, clock.wall_ns())


async def test_what_is_not_known_is_absent(tmp_path: Path) -> None:
    async with agent(tmp_path, HandClock()) as made:
        health = await made.reporter.report()
    assert (health.plan_version, health.calibration_ns, health.reflector) == (None, None, None)
    assert health.clock_bound_ns is None  # which is not a bound of zero
    assert (health.timestamping, health.streams, health.probes_reflected) == ("none", 0, 0)


async def test_a_declared_bound_is_told_and_a_plan_by_its_version(tmp_path: Path) -> None:
    async with agent(tmp_path, HandClock(), declared_us=2.5) as made:
        await made.measuring.apply(Plan(version=4, agent="a1"), None)
        health = await made.reporter.report()
    assert (health.clock_bound_ns, health.clock_source) == (2_500, "declared")
    assert health.plan_version == 4


async def test_a_spool_that_grows_is_seen_and_what_it_dropped_is_counted(
    tmp_path: Path, make_windows: MakeWindows
) -> None:
    async with agent(tmp_path, HandClock()) as made:
        made.spooler.add(WINDOWS, make_windows(1, 2), 1)
        await made.spooler.flush()
        health = await made.reporter.report()
        assert (health.spool_chunks, health.spool_dropped_windows) == (1, 0)
        assert health.spool_bytes > 0
        assert health.boot == made.spooler.boot
        await made.spooler.ask(made.spooler.offers.refuse, 1, "no")
        assert (await made.reporter.report()).spool_dropped_windows == 2


async def test_a_damaged_spool_is_told_with_the_name_it_has_now(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"not a database" * 500)
    async with agent(tmp_path, HandClock()) as made:
        (told,) = (await made.reporter.report()).conditions
        aside = (await made.spooler.ask(made.spooler.do_state)).set_aside
    assert aside is not None
    assert told.code == "spool_damaged"
    assert aside in told.text.en
    assert aside in told.text.zh


async def test_a_report_has_room_for_so_many_conditions_and_says_how_many_more(
    tmp_path: Path,
) -> None:
    async with agent(tmp_path, HandClock()) as made:
        for number in range(MAX_CONDITIONS + 5):
            made.conditions.begin(f"c{number}", "info", Text("So.", "如此。"))
        told = (await made.reporter.report()).conditions
    assert len(told) == MAX_CONDITIONS
    assert told[-1].code == "more_conditions"
    assert "6 more conditions" in told[-1].text.en


async def test_cpu_is_told_of_the_time_since_the_report_before(tmp_path: Path) -> None:
    clock = HandClock()
    async with agent(tmp_path, clock) as made:
        assert (await made.reporter.report()).cpu_ratio is None  # no time has passed
        clock.now_ns += 1_000 * SECOND
        ratio = (await made.reporter.report()).cpu_ratio
    assert ratio is not None
    assert 0 <= ratio < 1
