"""A whole fleet as its owner has it: configured by its scenario, waited for, and ended."""

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.config import load_config
from foundation.errors import ResourceError
from lab.fleet.fleet import Fleet, running
from lab.fleet.run_directory import RunDirectory
from lab.fleet.scenario import Scenario, find_scenario, load_scenario
from lab.fleet.scenario_schema import ClockTable

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Recorded:
    """A fleet that records what is done to it, and is sent every signal while it ends."""

    def __init__(self, *, temporary: bool) -> None:
        self.temporary = temporary
        self.done: list[str] = []

    def start(self) -> None:
        self.done.append("start")

    def stop(self) -> None:
        self._end("stop")

    def kill(self) -> None:
        self._end("kill")

    def _end(self, how: str) -> None:
        for number in ENDING:
            signal.raise_signal(number)
        self.done.append(how)


@pytest.fixture
def directory() -> Iterator[RunDirectory]:
    with contextlib.closing(RunDirectory()) as made:
        yield made


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario(find_scenario("tiny"))


@pytest.mark.parametrize(("temporary", "end"), [(True, "kill"), (False, "stop")])
def test_what_nobody_keeps_is_killed_and_what_is_kept_hands_in_what_it_has(
    temporary: bool, end: str
) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with running(Recorded(temporary=temporary)) as fleet:
        assert fleet.done == ["start"]
    assert fleet.done == ["start", end]  # signals that came meanwhile were too late
    assert [signal.getsignal(number) for number in ENDING] == before


def test_a_fleet_that_fails_is_ended_and_its_failure_told() -> None:
    fleet = Recorded(temporary=True)
    with pytest.raises(ResourceError, match="too bad"), running(fleet):
        raise ResourceError("too bad", "太糟")
    assert fleet.done == ["start", "kill"]


def test_a_fleet_that_was_not_started_has_nothing_to_end_and_nothing_counted(
    scenario: Scenario, directory: RunDirectory
) -> None:
    fleet = Fleet(scenario, directory, 20.0)
    fleet.check()
    fleet.stop()
    fleet.kill()
    assert fleet.counters() == {}
    assert fleet.temporary


@pytest.mark.network
def test_agents_measure_as_the_scenario_says_and_the_emulator_tells_what_it_carried(
    namespaces: None, scenario: Scenario, directory: RunDirectory
) -> None:
    clocks = scenario.clocks | {
        "nanjing": ClockTable(site="nanjing", shift_us=250.0, bound_us=400.0),
        "yancheng": ClockTable(site="yancheng", synchronised=False),
    }
    sites = dict(scenario.network.sites)
    sites["shanghai"] = msgspec.structs.replace(sites["shanghai"], external=True)
    network = dataclasses.replace(scenario.network, sites=sites)
    changed = dataclasses.replace(scenario, clocks=clocks, network=network)
    with running(Fleet(changed, directory, 20.0)) as fleet:
        assert asyncio.run(fleet.wait_until_measuring()) > 0
        fleet.check()
        fleet.stop_agents()
        assert fleet.counters()["received"] > 0
    held = {path.name for path in fleet.run_dir.glob("agent-*.toml")}
    assert held == {"agent-nanjing.toml", "agent-yancheng.toml"}  # no agent of ours elsewhere
    one, other = (load_config(fleet.run_dir / name) for name in sorted(held))
    assert (one.clock.timestamp_shift_us, one.clock.declared_bound_us) == (250.0, 400.0)
    assert other.clock.declared_bound_us is None
    assert one.controller == fleet.controller.url
    assert one.state_dir != other.state_dir
    assert one.policy.max_packet_bytes == 9000


@pytest.mark.network
def test_a_fleet_whose_controller_dies_is_not_waited_for(
    namespaces: None, scenario: Scenario, directory: RunDirectory
) -> None:
    broken = dataclasses.replace(scenario, sites_file=Path("/nowhere/none.toml"))
    with (
        running(Fleet(broken, directory, 20.0)) as fleet,
        pytest.raises(ResourceError, match=r"none\.toml"),
    ):
        asyncio.run(fleet.wait_until_measuring())
