"""The recorder keeps the log, and has it told once it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from controller.events.bus import EventBus
from controller.events.event_types import (
    AgentChanged,
    CampaignChanged,
    Change,
    DuplicateRefused,
    NothingMeasuredYet,
    PlanChanged,
    VerdictChanged,
)
from controller.events.recorder import Recorder
from controller.store.event_log import EventRecord, SubjectState
from foundation.errors import ResourceError

NOW_NS = 1_800_000_000_000_000_000
DOWN = AgentChanged(at_ns=NOW_NS, agent="nanjing", state="agent_down", previous="ok")
FAILED = VerdictChanged(
    at_ns=NOW_NS, path="a>b", target="circle", state="fail", since_ns=NOW_NS - 5
)


class Log:
    """A log that answers at once, or has no room."""

    def __init__(self) -> None:
        self.rows: list[EventRecord] = []
        self.states: list[SubjectState] = []
        self.full = False

    def append(self, events: Sequence[EventRecord], states: Sequence[SubjectState] = ()) -> Any:
        if self.full:
            raise ResourceError("The disk is full.", "磁盘已满。")
        done: Future[int] = Future()
        done.set_result(len(self.rows) + 1)
        self.rows += events
        self.states += states
        return done


async def test_what_is_logged_is_told_with_its_number_once_it_is_committed() -> None:
    bus, log, read = EventBus(), Log(), []  # type: ignore[var-annotated]  # records
    Recorder(log, bus)  # type: ignore[arg-type]  # of the log it needs no more
    bus.read_log(read.extend)
    plan = PlanChanged(at_ns=NOW_NS, agent="nanjing", version=2)
    bus.publish([DOWN, FAILED, plan])
    assert read == []
    await asyncio.sleep(0)
    assert [(row.id, row.kind, row.subject, row.target) for row in read] == [
        (1, "agent", "nanjing", None),
        (2, "verdict", "a>b", "circle"),
    ]
    assert [(state.subject, state.target, state.since_ns) for state in log.states] == [
        ("nanjing", "", NOW_NS),
        ("a>b", "circle", NOW_NS - 5),
    ]


async def test_a_full_log_keeps_no_event_from_other_subscribers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, log, heard = EventBus(), Log(), []  # type: ignore[var-annotated]  # of several types
    Recorder(log, bus)  # type: ignore[arg-type]  # of the log it needs no more
    bus.subscribe(heard.extend, Change)
    log.full = True
    bus.publish([DOWN])
    assert heard == [DOWN]
    assert "1 events are not kept" in caplog.text


async def test_some_changes_are_remembered_and_no_event_and_some_are_events_and_forgotten() -> None:
    bus, log = EventBus(), Log()
    Recorder(log, bus)  # type: ignore[arg-type]  # of the log it needs no more
    bus.publish(
        [
            NothingMeasuredYet(at_ns=1, path="a>b", target="circle", state="no_data", since_ns=1),
            DuplicateRefused(at_ns=1, agent="nanjing"),
            CampaignChanged(at_ns=1, campaign="voice", state="running"),
        ]
    )
    assert [(row.kind, row.state) for row in log.rows] == [
        ("agent", "another_refused"),
        ("campaign", "running"),
    ]
    assert [(state.kind, state.state) for state in log.states] == [("verdict", "no_data")]
