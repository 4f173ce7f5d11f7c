"""An event subscriber is a callable and one entry in `SUBSCRIBERS` of the assembly."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from controller.api.services import Services
from controller.events.event_types import AgentChanged, Event, RoundJudged, VerdictChanged
from controller.serving import assembly
from controller.settings import Settings
from foundation.clock import SystemClock
from topology.site_file import load_network

SITES = """
[network]
name = "trial"
title = { en = "Trial", zh = "试验" }

[[site]]
name = "nanjing"
city = "nanjing"
interface = [{ carrier = "telecom", ipv4 = "192.0.2.1" }]

[[site]]
name = "suzhou"
city = "suzhou"
interface = [{ carrier = "telecom", ipv4 = "192.0.2.2" }]

[[mesh]]
name = "all"
stream = [{ protocol = "icmp" }]

[[target]]
name = "circle"
title = { en = "A circle", zh = "时延圈" }
kind = "delay"
limit_ms = 10.0
"""


class Alerts:
    """Remembers what a person on duty would be told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.rounds = 0

    def subscribe(self, services: Services) -> None:
        """Hear of agents and verdicts, and of every round."""
        services.bus.subscribe(self.hear, AgentChanged, VerdictChanged)
        services.bus.subscribe(self.count, RoundJudged)

    def hear(self, events: Sequence[Event]) -> None:
        """Report what changed."""
        for event in events:
            if isinstance(event, AgentChanged):
                self.told.append(f"{event.agent} is {event.state}")
            elif isinstance(event, VerdictChanged):
                self.told.append(f"{event.target} on {event.path} is {event.state}")

    def count(self, rounds: Sequence[Event]) -> None:
        """Count rounds."""
        self.rounds += len(rounds)


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Alerts:
    alerts = Alerts()
    monkeypatch.setattr(assembly, "SUBSCRIBERS", [*assembly.SUBSCRIBERS, alerts.subscribe])
    return alerts


@pytest.fixture
def opened(tmp_path: pathlib.Path) -> Callable[[], AbstractAsyncContextManager[Services]]:
    @asynccontextmanager
    async def services() -> AsyncIterator[Services]:
        path = tmp_path / "sites.toml"
        path.write_text(SITES, encoding="utf-8")
        made = assembly.open_services(
            load_network(path), tmp_path / "data", Settings(), SystemClock()
        )
        yield made
        made.close()

    return services


async def test_what_subscribes_hears_of_its_events_and_reads_a_snapshot(
    alerts: Alerts, opened: Any
) -> None:
    async with opened() as services:
        services.fleet.heard("nanjing")
        await services.rounds.make()
        assert "nanjing is ok" in alerts.told
        assert alerts.rounds == 1
        assert services.readings.snapshots.latest.agent_states()["nanjing"] == "ok"


async def test_one_that_fails_stops_neither_the_round_nor_the_log(
    alerts: Alerts, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alerts, "hear", lambda *_: 1 / 0)
    async with opened() as services:
        services.fleet.heard("nanjing")
        await services.rounds.make()
        services.store.event_log.append([]).result()  # behind what is queued
        logged = services.store.event_log.events(kinds=["agent"])
        assert [(event.subject, event.state) for event in logged] == [("nanjing", "ok")]
        assert alerts.rounds == 1
