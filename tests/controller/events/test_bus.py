"""The bus tells each subscriber of its own types of events, and nobody of another's fault."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from controller.events.bus import EventBus
from controller.events.event_types import (
    AgentChanged,
    Event,
    RoundJudged,
    VerdictChanged,
)

NOW_NS = 1_800_000_000_000_000_000
DOWN = AgentChanged(at_ns=NOW_NS, agent="nanjing", state="agent_down", previous="ok")
FAILED = VerdictChanged(
    at_ns=NOW_NS, path="a>b", target="circle", state="fail", since_ns=NOW_NS - 5
)


def test_a_subscriber_hears_of_its_own_types_alone() -> None:
    bus, heard = EventBus(), []  # type: ignore[var-annotated]  # of several types
    bus.subscribe(heard.extend, VerdictChanged, RoundJudged)
    bus.publish([DOWN, FAILED, RoundJudged(at_ns=NOW_NS, revision=3)])
    assert heard == [FAILED, RoundJudged(at_ns=NOW_NS, revision=3)]
    bus.publish([DOWN])
    assert len(heard) == 2


def test_a_subscriber_that_raises_keeps_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, heard = EventBus(), []  # type: ignore[var-annotated]  # of several types

    def broken(_: Sequence[Event]) -> None:
        raise ArithmeticError

    bus.subscribe(broken, Event)
    bus.subscribe(heard.extend, Event)
    bus.publish([DOWN])
    assert heard == [DOWN]
    assert "a subscriber to events failed" in caplog.text
