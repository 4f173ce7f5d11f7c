"""Which plan a window belongs to: the one in force when it ended, whatever the wall clock said."""

import asyncio
import dataclasses
from pathlib import Path

from agent.answering import AnswerJournal
from agent.conditions import Conditions
from agent.measuring import Measuring
from agent.policy import Policy
from agent.sent_book import SentBook
from probes.exchange import Plan
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


def test_a_window_has_the_plan_it_was_measured_by_though_the_clock_went_back(
    tmp_path: Path,
) -> None:
    handed: list[int] = []
    clock, book = HandClock(), SentBook(tmp_path / "book")

    async def settled() -> None:
        return None

    measuring = Measuring(
        on_windows=lambda batch, version: handed.append(version),
        clock=clock,
        own_clock_bound_ns=lambda: 0.0,
        stamp_shift_ns=0,
        conditions=Conditions(),
        policy=Policy(),
        book=book,
        settle=settled,
        journal=AnswerJournal(None, clock),
    )
    for version in (1, 2):
        asyncio.run(measuring.apply(Plan(version=version, agent="a"), None))
        clock.now_ns += 10 * SECOND
    clock.offset_ns -= 2 * HOUR
    clock.now_ns += 10 * SECOND
    batch = WindowBatch.empty(clock.wall_ns() // SECOND * SECOND, SECOND)
    measuring._hand_over(dataclasses.replace(batch, ended_ns=clock.now_ns))
    assert handed == [2]
    book.close()
