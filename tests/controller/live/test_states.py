"""States of streams, paths and agents; maintenance; the log and the stream of what changed."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from controller.live.states import (
    AGENT_DOWN,
    CURTAILED,
    DOWN_WINDOWS,
    FAILING,
    LATE,
    MAINTENANCE,
    NO_DATA,
    OK,
    PATH_DOWN,
    UNDECIDED,
    StateFlags,
    codes,
    nothing_returns,
    path_flags,
)
from controller.store.aggregate import WindowSeries
from messages.exchange import Curtailed, CurtailedStream

SECOND = 1_000_000_000
WINDOW_NS = 10 * SECOND
NOW_NS = 1_000 * SECOND
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


def flags(**columns: Any) -> StateFlags:
    """Return one row that is fine but for `columns`."""
    flags = ("agent_down", "curtailed", "unanswered", "down", "failing", "undecided", "maintenance")
    given = {name: np.array([columns.get(name, False)]) for name in flags}
    return StateFlags(newest_ns=np.array([columns.get("newest_ns", NOW_NS)]), **given)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, OK),
        ({"undecided": True}, UNDECIDED),
        ({"undecided": True, "failing": True}, FAILING),
        ({"failing": True, "down": True}, PATH_DOWN),
        ({"down": True, "newest_ns": NOW_NS - 41 * SECOND}, LATE),
        ({"newest_ns": NOW_NS - 40 * SECOND}, OK),
        ({"newest_ns": NOW_NS - 121 * SECOND}, NO_DATA),
        ({"newest_ns": 0}, NO_DATA),
        ({"newest_ns": 0, "agent_down": True}, AGENT_DOWN),
        ({"newest_ns": 0, "curtailed": True}, CURTAILED),
        ({"agent_down": True, "curtailed": True}, AGENT_DOWN),
        ({"agent_down": True, "maintenance": True}, MAINTENANCE),
    ],
)
def test_the_first_sign_that_holds_names_the_state(columns: dict[str, Any], expected: int) -> None:
    assert codes(flags(**columns), NOW_NS, WINDOW_NS).tolist() == [expected]


def series(*rows: list[tuple[int, int]]) -> WindowSeries:
    """Return windows of (sent, lost) per stream."""
    flat = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
    return WindowSeries(
        indptr=np.cumsum([0, *(len(row) for row in rows)]),
        start_ns=np.arange(len(flat)),
        sent=flat[:, 0],
        lost=flat[:, 1],
        rtt_mean_ns=np.full(len(flat), np.nan),
        forward_mean_ns=np.full(len(flat), np.nan),
    )


def test_stream_is_down_after_three_windows_in_which_nothing_returned() -> None:
    dead, alive, idle = (10, 10), (10, 9), (0, 0)
    windows = series(
        [alive] + [dead] * DOWN_WINDOWS,
        [dead] * DOWN_WINDOWS + [alive],
        [dead] * (DOWN_WINDOWS - 1),
        [dead, idle, dead],
        [],
    )
    assert nothing_returns(windows).tolist() == [True, False, False, False, False]


def test_path_is_down_only_if_all_its_streams_that_report_are() -> None:
    fresh, old = NOW_NS, NOW_NS - 60 * SECOND
    streams = StateFlags(
        newest_ns=np.array([fresh, fresh, fresh, old]),
        agent_down=np.zeros(4, bool),
        curtailed=np.array([True, False, True, True]),
        unanswered=np.zeros(4, bool),
        down=np.array([True, False, True, False]),
        failing=np.zeros(4, bool),
        undecided=np.zeros(4, bool),
        maintenance=np.zeros(4, bool),
    )
    found = path_flags(streams, np.array([0, 0, 1, 1]), 3, NOW_NS - 40 * SECOND)
    assert found.down.tolist() == [False, True, False]
    assert found.curtailed.tolist() == [False, True, False]  # all of its streams are
    assert found.newest_ns.tolist() == [fresh, fresh, 0]


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


async def test_events_go_to_those_who_asked_and_can_be_had_again_from_an_id(
    controller: Any, deliver: Any
) -> None:
    address = "http://controller/api/v1/events"
    async with controller.session.ws_connect(f"{address}?kinds=agent,path") as socket:
        assert (await socket.receive_json())["type"] == "verdicts"
        await deliver()
        await controller.judge()
        heard = [await socket.receive_json() for _ in range(3)]
    kinds = {item["kind"] for each in heard if each["type"] == "events" for item in each["items"]}
    assert kinds == {"agent", "path"}
    logged = (await controller.get("/api/v1/event-log?kind=path"))["items"]
    first_id = min(item["id"] for item in logged)
    async with controller.session.ws_connect(f"{address}?kinds=path&after_id={first_id}") as socket:
        again = await socket.receive_json()
    assert again["items"] == sorted(logged, key=lambda item: item["id"])[1:]
