"""Watches how agents, paths, streams and maintenances stand, and tells what changed."""

from __future__ import annotations

from typing import Any

from tests.controller.live.test_states import PATH, SECOND


async def log_of(controller: Any, query: str) -> list[tuple[str, str | None]]:
    """Return (state, previous) of the log, oldest first, once all that was asked is committed."""
    state = controller.services
    state.store.sites.put([], state.clock.wall_ns()).result()
    items = (await controller.get(f"/api/v1/event-log{query}"))["items"]
    return [(item["state"], item["previous"]) for item in reversed(items)]


async def test_silence_of_an_agent_is_logged_step_by_step(
    controller: Any, deliver: Any, clock: Any
) -> None:
    await deliver()
    await controller.judge()
    for seconds in (30, 40, 100):
        clock.now_ns += seconds * SECOND
        await controller.judge()
    await deliver()
    await controller.judge()
    assert await log_of(controller, "?kind=agent&subject=nanjing") == [
        ("ok", None),
        ("agent_down", "ok"),
        ("ok", "agent_down"),
    ]
    path = await log_of(controller, f"?kind=path&subject={PATH}")
    assert [state for state, _ in path] == ["ok", "agent_down", "ok"]


async def test_stream_that_was_never_measured_becomes_an_event_after_two_minutes(
    controller: Any, deliver: Any, clock: Any
) -> None:
    await controller.judge()
    assert await log_of(controller, "?state=no_data") == []
    for _ in range(13):
        clock.now_ns += 10 * SECOND
        await deliver()
        await controller.judge()
    silent = await log_of(controller, "?kind=stream&state=no_data")
    assert ("no_data", None) in silent
    assert await log_of(controller, "?kind=agent&subject=suzhou") == [("never_seen", None)]


async def test_restart_of_the_controller_is_no_event_of_the_fleet(
    open_controller: Any, batch_of: Any, chunk_of: Any, clock: Any
) -> None:
    async with open_controller() as first:
        ids = [first.services.rounds.scope.streams[0].stream_id]
        batch = batch_of(ids, clock.now_ns - 10 * SECOND, sent=100)
        await first.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
        await first.judge()
        before = await log_of(first, "")
        assert before
    clock.now_ns += 300 * SECOND
    async with open_controller() as second:
        await second.judge()
        assert await log_of(second, "") == before
        clock.now_ns += 90 * SECOND
        await second.judge()
        late = (await log_of(second, ""))[len(before) :]
        assert {state for state, _ in late} == {"agent_down", "no_data"}


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
