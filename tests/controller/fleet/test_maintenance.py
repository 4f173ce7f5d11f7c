"""Maintenance: announced before, stored all the same, and out of every figure while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SECOND = 1_000_000_000
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"
TARGET = "jiangsu-circle-5"
ADDRESS = "http://controller/api/v1/maintenance"


async def announce(controller: Any, status: int = 201, **asked: Any) -> Any:
    body = {"to_ns": controller.services.clock.wall_ns() + 600 * SECOND, "reason": "new fibre"}
    async with controller.session.post(ADDRESS, json=body | asked) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def end(controller: Any, number: Any, status: int = 200) -> Any:
    async with controller.session.delete(f"{ADDRESS}/{number}") as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


@pytest.fixture
def deliver(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Callable[..., Any]:
    """Return a function that lets ten seconds pass, delivers their windows and judges."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    sequence = iter(range(1000))

    async def run(times: int = 1, **how: Any) -> None:
        for _ in range(times):
            controller.services.clock.now_ns += 10 * SECOND
            start_ns = controller.services.clock.wall_ns() - 10 * SECOND
            batch = batch_of(ids, start_ns, sent=1000, **how)
            body = chunk_of(batch, agent="nanjing", sequence=next(sequence))
            await controller.deliver("nanjing", body)
            await controller.judge()

    return run


async def verdict_of(controller: Any) -> Any:
    return (await controller.get(f"/api/v1/verdicts?target={TARGET}&path={PATH}"))["items"][0]


async def target_of(controller: Any) -> Any:
    items = (await controller.get("/api/v1/targets"))["items"]
    return next(item for item in items if item["name"] == TARGET)


async def test_what_is_measured_in_maintenance_is_stored_and_does_not_count(
    controller: Any, deliver: Any
) -> None:
    await deliver(3)
    before, counted = await verdict_of(controller), await target_of(controller)
    assert before["verdict"] == "pass"
    made = await announce(controller, paths=[PATH])
    assert (made["phase"], made["covered_paths"], made["created_by"][:5]) == ("begun", 1, "owner")
    await deliver(4, rtt_ns=40e6, forward_ns=20e6)
    during, target = await verdict_of(controller), await target_of(controller)
    assert (during["verdict"], during["pending"], during["maintenance"]) == ("pass", None, True)
    assert during["sent"] == before["sent"]
    assert during["reason"]["en"].startswith("In maintenance")
    assert target["maintenance"] == 1
    assert sum(target["counts"].values()) == sum(counted["counts"].values()) - 1
    assert (counted["counts"]["pass"], target["counts"]["pass"]) == (3, 0)
    paths = {item["id"]: item["state"] for item in (await controller.get("/api/v1/paths"))["items"]}
    assert paths[PATH] == "maintenance"
    windows = (await controller.get(f"/api/v1/windows?path={PATH}&protocol=udp"))["items"]
    assert len(windows) == 7


async def test_after_maintenance_only_what_came_after_counts(controller: Any, deliver: Any) -> None:
    await deliver(3)
    made = await announce(controller, paths=[PATH])
    await deliver(2, rtt_ns=40e6, forward_ns=20e6)
    ended = await end(controller, made["id"])
    assert ended["phase"] == "ended"
    assert ended["ended_ns"] == controller.services.clock.wall_ns()
    paths = {item["id"]: item["state"] for item in (await controller.get("/api/v1/paths"))["items"]}
    assert paths[PATH] == "ok"  # not late: its first window that counts is on its way
    await deliver(2)
    item = await verdict_of(controller)
    assert (item["verdict"], item["maintenance"], item["sent"]) == ("pass", False, 5000)


async def test_controller_that_restarts_leaves_the_same_windows_out(
    open_controller: Any, batch_of: Any, chunk_of: Any, clock: Any
) -> None:
    async def deliver(controller: Any, sequence: int, **how: Any) -> None:
        clock.now_ns += 10 * SECOND
        ids = [
            stream.stream_id
            for stream in controller.services.rounds.scope.streams
            if stream.path.id == PATH
        ]
        batch = batch_of(ids, clock.now_ns - 10 * SECOND, sent=1000, **how)
        body = chunk_of(batch, agent="nanjing", sequence=sequence)
        await controller.deliver("nanjing", body)
        await controller.judge()

    async with open_controller() as first:
        await deliver(first, 0)
        made = await announce(first, sites=["suzhou"])
        await deliver(first, 1, rtt_ns=40e6, forward_ns=20e6)
        await end(first, made["id"])
        await deliver(first, 2)
        before = await verdict_of(first)
    async with open_controller() as second:
        await second.judge()
        assert await verdict_of(second) == before | {"judged_ns": clock.now_ns}
        assert before["sent"] == 2000


async def test_life_of_a_maintenance_stands_in_the_event_log(controller: Any, clock: Any) -> None:
    later = clock.now_ns + 100 * SECOND
    planned = await announce(controller, carriers=["unicom"], from_ns=later)
    called_off = await announce(controller, sites=["suzhou"], from_ns=later)
    assert (await end(controller, called_off["id"]))["phase"] == "cancelled"
    assert [planned["phase"], called_off["phase"]] == ["announced", "announced"]
    for _ in range(2):
        clock.now_ns += 400 * SECOND
        await controller.judge()
    controller.services.store.sites.put([], clock.now_ns).result()
    items = (await controller.get("/api/v1/event-log?kind=maintenance"))["items"]
    found = [(item["subject"], item["state"], item["previous"]) for item in reversed(items)]
    one, other = str(planned["id"]), str(called_off["id"])
    assert found == [
        (one, "announced", None),
        (other, "announced", None),
        (other, "cancelled", "announced"),
        (one, "begun", "announced"),
        (one, "ended", "begun"),
    ]
    ended = await controller.get("/api/v1/maintenance?phase=ended")
    assert [item["id"] for item in ended["items"]] == [planned["id"]]
    assert (await end(controller, planned["id"], 409))["error"]["code"] == "already_over"
    assert (await end(controller, 99, 404))["error"]["code"] == "unknown_maintenance"
    assert (await end(controller, "x", 404))["error"]["code"] == "unknown_maintenance"


async def test_pair_that_is_wholly_in_maintenance_is_left_out_of_its_group(
    controller: Any, deliver: Any
) -> None:
    await deliver(1)
    whole = (await controller.get("/api/v1/groups"))["items"][0]
    await announce(controller, sites=["suzhou"])
    await deliver(1)
    group = (await controller.get("/api/v1/groups"))["items"][0]
    assert (whole["maintenance"], group["maintenance"]) == (0, 1)
    assert sum(group["counts"].values()) == group["pairs"] - 1
    matrix = await controller.get("/api/v1/matrix")
    assert matrix["cells"][0][1]["maintenance"] is True
    agents = {
        item["name"]: item["state"] for item in (await controller.get("/api/v1/agents"))["items"]
    }
    assert agents == {"nanjing": "ok", "suzhou": "maintenance"}
