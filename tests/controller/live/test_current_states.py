"""How streams, paths and agents stand, by their windows and by what their agents have told."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from messages.exchange import Curtailed, CurtailedStream
from tests.controller.live.test_states import PATH, SECOND


async def test_agent_that_speaks_but_measures_nothing_has_no_data(
    controller: Any, deliver: Any, clock: Any
) -> None:
    await deliver()
    for _ in range(14):
        clock.now_ns += 10 * SECOND
        controller.services.fleet.heard("nanjing")
    agents = (await controller.get("/api/v1/agents"))["items"]
    assert agents[0]["state"] == "no_data"


@pytest.fixture
def one_way_site_file(site_file: pathlib.Path) -> None:
    one_way = 'one_way = true\nmembers = { sites = ["nanjing", "suzhou"] }'
    text = site_file.read_text("utf-8").replace('name = "all"', f'name = "all"\n{one_way}')
    site_file.write_text(text, "utf-8")


@pytest.mark.usefixtures("one_way_site_file")
async def test_agent_that_only_reflects_is_ok(open_controller: Any, clock: Any) -> None:
    async with open_controller() as controller:
        for _ in range(14):
            clock.now_ns += 10 * SECOND
            for agent in ("nanjing", "suzhou"):
                controller.services.fleet.heard(agent)
        agents = (await controller.get("/api/v1/agents"))["items"]
    assert {one["name"]: one["state"] for one in agents} == {"nanjing": "no_data", "suzhou": "ok"}


async def test_what_the_owner_of_an_agent_refuses_is_curtailed_and_not_lost(
    controller: Any, deliver: Any
) -> None:
    await deliver()
    own = [
        s.stream_id
        for s in controller.services.rounds.scope.streams
        if s.path.source.site == "nanjing"
    ]
    refused = [
        CurtailedStream(stream_id=number, rule="policy.protocols", action="refused")
        for number in own
    ]
    controller.services.fleet.curtailed(
        "nanjing", Curtailed(plan_version=1, streams=tuple(refused))
    )
    await controller.judge()
    streams = (await controller.get("/api/v1/streams"))["items"]
    mine = [one for one in streams if int(one["stream_id"]) in own]
    assert {one["state"] for one in mine} == {"curtailed"}
    assert {one["curtailed"]["rule"] for one in mine} == {"policy.protocols"}
    paths = {one["id"]: one for one in (await controller.get("/api/v1/paths"))["items"]}
    assert paths[PATH]["state"] == "curtailed"


async def test_stream_that_may_run_again_is_waited_for_before_it_is_late(
    controller: Any, deliver: Any, clock: Any
) -> None:
    await deliver()
    fleet = controller.services.fleet
    own = [
        s.stream_id
        for s in controller.services.rounds.scope.streams
        if s.path.source.site == "nanjing"
    ]
    refused = tuple(
        CurtailedStream(stream_id=number, rule="policy.quiet_hours", action="refused")
        for number in own
    )

    async def states_of_own() -> set[str]:
        await controller.judge()
        streams = (await controller.get("/api/v1/streams"))["items"]
        return {one["state"] for one in streams if int(one["stream_id"]) in own}

    fleet.curtailed("nanjing", Curtailed(plan_version=1, streams=refused))
    clock.now_ns += 3600 * SECOND
    fleet.heard("nanjing")
    assert await states_of_own() == {"curtailed"}
    fleet.curtailed("nanjing", Curtailed(plan_version=1, streams=()))
    assert not await states_of_own() & {"late", "no_data"}
    clock.now_ns += 50 * SECOND
    fleet.heard("nanjing")
    assert await states_of_own() == {"late"}


async def test_path_that_returns_nothing_is_down(controller: Any, deliver: Any, clock: Any) -> None:
    for lost in (0, 100, 100, 100):
        await deliver(lost=lost)
        await controller.judge()
        clock.now_ns += 10 * SECOND
    states = await controller.get("/api/v1/states?kind=path&state=path_down")
    assert PATH in {item["subject"] for item in states["items"]}
    paths = {item["id"]: item for item in (await controller.get("/api/v1/paths"))["items"]}
    assert paths[PATH]["state"] == "path_down"
