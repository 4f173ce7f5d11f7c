"""Which plan a window belongs to, and since when an agent runs, whatever the wall clock said."""

import asyncio
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from agent.conditions import Conditions
from agent.health import HealthReporter
from agent.measuring.measuring import Measuring
from agent.measuring.unanswered_journal import UnansweredJournal
from agent.policy.policy import Policy
from agent.spool.sent_counters import SentCounters
from agent.spool.spooler import Spooler
from messages.exchange import Plan
from probes.window import WindowBatch

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


def made(
    sent_counters: SentCounters, clock: HandClock, on_windows: Callable[..., Any]
) -> Measuring:
    async def settled() -> None:
        return None

    return Measuring(
        on_windows=on_windows,
        clock=clock,
        own_clock_bound_ns=lambda: 0.0,
        timestamp_shift_ns=0,
        conditions=Conditions(),
        policy=Policy(),
        sent_counters=sent_counters,
        settle=settled,
        journal=UnansweredJournal(None, clock),
    )


def test_a_window_has_the_plan_it_was_measured_by_though_the_clock_went_back(
    tmp_path: Path,
) -> None:
    handed: list[int] = []
    clock, sent_counters = HandClock(), SentCounters(tmp_path / "sent_counters")
    measuring = made(sent_counters, clock, lambda batch, version: handed.append(version))
    for version in (1, 2):
        asyncio.run(measuring.apply(Plan(version=version, agent="a"), None))
        clock.now_ns += 10 * SECOND
    clock.offset_ns -= 2 * HOUR
    clock.now_ns += 10 * SECOND
    batch = WindowBatch.empty(clock.wall_ns() // SECOND * SECOND, SECOND)
    measuring._hand_over(dataclasses.replace(batch, ended_ns=clock.now_ns))
    assert handed == [2]
    sent_counters.close()


def test_a_window_that_ended_before_a_plan_came_is_not_of_it_though_the_clock_went_back(
    tmp_path: Path,
) -> None:
    handed: list[int] = []
    clock, sent_counters = HandClock(), SentCounters(tmp_path / "sent_counters")
    measuring = made(sent_counters, clock, lambda batch, version: handed.append(version))
    asyncio.run(measuring.apply(Plan(version=1, agent="a"), None))
    clock.now_ns += 10 * SECOND
    batch = WindowBatch.empty(clock.wall_ns() // SECOND * SECOND, SECOND)
    ended = dataclasses.replace(batch, ended_ns=clock.now_ns)
    clock.now_ns += 5 * SECOND
    clock.offset_ns -= 2 * HOUR
    asyncio.run(measuring.apply(Plan(version=2, agent="a"), None))
    measuring._hand_over(ended)  # a window is handed over once nothing of it is in flight
    assert handed == [1]
    sent_counters.close()


async def test_an_agent_whose_clock_was_a_day_wrong_at_boot_says_rightly_since_when_it_runs(
    tmp_path: Path,
) -> None:
    clock, sent_counters = HandClock(), SentCounters(tmp_path / "sent_counters")
    spooler = Spooler(tmp_path / "s", agent="a", max_bytes=1 << 20, max_age_s=1e6)
    watch = SimpleNamespace(
        source="none",
        steps=0,
        stepped_by_ns=0,
        stepped_ns=0,
        age_s=lambda: 0.0,
        bound_ns=lambda: math.nan,
        fault=None,
    )
    reporter = HealthReporter(
        version="1",
        measuring=made(sent_counters, clock, lambda batch, version: None),
        spooler=spooler,
        conditions=Conditions(),
        clock=clock,
        clock_watch=cast(Any, watch),
        self_test=cast(Any, SimpleNamespace(calibration_ns=None)),
    )
    clock.offset_ns += 24 * HOUR  # time is set by the network at last
    clock.now_ns += 10 * SECOND
    health = await reporter.report()
    assert (health.sent_ns - health.started_ns, health.sent_ns) == (10 * SECOND, clock.wall_ns())
    spooler.close()
    sent_counters.close()
