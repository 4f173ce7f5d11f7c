"""Campaigns on a controller: created, begun, ended and reported, and nothing that stands moves."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from campaign_calls import PAIR, SECOND_NS, asked, cancel, dscp46, post, show, states_of

from messages.exchange import (
    SCHEMA_VERSION,
    ControlFromController,
    Curtailed,
    CurtailedStream,
    Health,
    Hello,
    PlanPush,
)


async def test_a_campaign_begins_and_ends_by_itself(controller: Any, clock: Any) -> None:
    state = controller.services
    permanent, before = state.rounds.scope.streams, dict(state.distribution.plans)
    await controller.judge()
    verdicts = await controller.get("/api/v1/verdicts")
    begin_ns = clock.now_ns + 100 * SECOND_NS
    made = await post(controller, asked(begin_ns=begin_ns))
    assert (made["state"], made["streams"], made["missed_ns"]) == ("scheduled", 2, 0)
    assert not await state.scheduler.look()
    assert state.distribution.plans == before

    clock.now_ns = begin_ns
    assert await state.scheduler.look()
    assert (await show(controller))["state"] == "running"
    assert (await controller.get("/api/v1/health"))["campaigns"]["running"] == 1
    async with controller.session.get("http://controller/metrics") as answer:
        assert 'isochrone_campaigns{state="running"} 1.0' in await answer.text()
    assert state.distribution.plans["nanjing"].version == 2
    assert state.distribution.plans["suzhou"].version == 1  # it reflects for nanjing already
    (spec,) = dscp46(state.distribution.plans["nanjing"])
    assert (spec.interval_ms, spec.flows) == (20, 4)
    assert state.rounds.scope.streams[: len(permanent)] != permanent  # one of them runs faster
    assert [s.stream_id for s in state.rounds.scope.streams[: len(permanent)]] == [
        s.stream_id for s in permanent
    ]
    assert len(state.rounds.scope.streams) == len(permanent) + 1
    during = await controller.get("/api/v1/verdicts")
    assert [v["target"] for v in during["items"]] == [v["target"] for v in verdicts["items"]]

    clock.now_ns = begin_ns + 60 * SECOND_NS
    assert await state.scheduler.look()
    assert (await show(controller))["state"] == "ended"
    assert state.rounds.scope.streams == permanent
    assert state.distribution.plans["nanjing"].streams == before["nanjing"].streams
    assert state.distribution.plans["nanjing"].version == 3
    assert await states_of(controller, "voice") == ["scheduled", "running", "ended"]
    added = await controller.get("/api/v1/agents/nanjing/plans/2/diff")
    assert [s["type_p"]["dscp"] for s in added["streams_added"]] == [46]
    removed = await controller.get("/api/v1/agents/nanjing/plans/3/diff")
    assert removed["streams_removed"] == added["streams_added"]


async def test_a_stream_that_runs_already_runs_at_the_faster_of_the_intervals(
    controller: Any,
) -> None:
    state = controller.services
    mesh = PAIR | {"stream": [{"protocol": "icmp", "interval_ms": 5000, "flows": 3}]}
    await post(controller, asked(mesh=[mesh]))
    mesh = PAIR | {"name": "b", "stream": [{"protocol": "icmp", "interval_ms": 50}]}
    await post(controller, asked("second", mesh=[mesh]))
    known = {spec.stream_id: spec for spec in state.distribution.plans["nanjing"].streams}
    await state.scheduler.look()
    changed = [s for s in state.distribution.plans["nanjing"].streams if known[s.stream_id] != s]
    assert [(s.interval_ms, s.flows) for s in changed] == [(50, 3)]
    await cancel(controller, "second")
    await state.scheduler.look()
    changed = [s for s in state.distribution.plans["nanjing"].streams if known[s.stream_id] != s]
    assert [(s.interval_ms, s.flows) for s in changed] == [(1000, 3)]
    await cancel(controller, "voice")
    await state.scheduler.look()
    assert {s.stream_id: s for s in state.distribution.plans["nanjing"].streams} == known


async def test_connected_agents_are_told_at_once(controller: Any) -> None:
    health = Health(version="0", boot="b0b0b0b0", started_ns=1, sent_ns=2, plan_version=1)
    hello = Hello(schema=SCHEMA_VERSION, agent="nanjing", health=health)
    address = "http://controller/api/v1/agents/nanjing/control"
    async with controller.session.ws_connect(address) as socket:
        await socket.send_str(msgspec.json.encode(hello).decode())
        first = msgspec.json.decode(await socket.receive_str(), type=ControlFromController)
        await post(controller, asked())
        await controller.services.scheduler.look()
        second = msgspec.json.decode(await socket.receive_str(), type=ControlFromController)
    assert isinstance(first, PlanPush)
    assert isinstance(second, PlanPush)
    assert (len(dscp46(first.plan)), len(dscp46(second.plan))) == (0, 1)
    assert second.plan.version == first.plan.version + 1


async def test_a_restart_in_the_middle_goes_on(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]], clock: Any
) -> None:
    async with open_controller() as first:
        await post(first, asked())
        await first.services.scheduler.look()
        plans = dict(first.services.distribution.plans)
    clock.now_ns += 30 * SECOND_NS
    async with open_controller() as second:
        assert second.services.distribution.plans == plans
        assert not await second.services.scheduler.look()
        found = await show(second)
        assert (found["state"], found["missed_ns"], found["notes"]) == ("running", 0, [])
        assert await states_of(second, "voice") == ["scheduled", "running"]
    clock.now_ns += 60 * SECOND_NS
    async with open_controller() as third:
        await third.services.scheduler.look()
        found = await show(third)
        assert (found["state"], found["ended_ns"]) == ("ended", clock.now_ns)
        assert dscp46(third.services.distribution.plans["nanjing"]) == []
        assert await states_of(third, "voice") == ["scheduled", "running", "ended"]


async def test_what_was_missed_is_said(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]], clock: Any
) -> None:
    begin_ns = clock.now_ns + 100 * SECOND_NS
    async with open_controller() as first:
        await post(first, asked("early", begin_ns=begin_ns, duration_s=30))
        await post(first, asked("late", begin_ns=begin_ns))
    clock.now_ns = begin_ns + 40 * SECOND_NS
    async with open_controller() as second:
        await second.services.scheduler.look()
        early, late = await show(second, "early"), await show(second, "late")
        assert (early["state"], early["begun_ns"]) == ("ended", None)
        assert early["missed_ns"] == 30 * SECOND_NS
        assert "nothing was measured" in early["notes"][0]["en"]
        assert (late["state"], late["missed_ns"]) == ("running", 40 * SECOND_NS)
        assert "first 40 s" in late["notes"][0]["en"]
        assert second.services.reporting.due() == []
        await second.get("/api/v1/campaigns/early/report", 404)


async def test_curtailed_streams_are_counted(controller: Any) -> None:
    state = controller.services
    await post(controller, asked())
    await state.scheduler.look()
    (spec,) = dscp46(state.distribution.plans["nanjing"])
    one = CurtailedStream(stream_id=spec.stream_id, rule="policy.ports", action="refused")
    state.fleet.curtailed("nanjing", Curtailed(plan_version=2, streams=(one,)))
    found = await show(controller)
    assert (found["streams"], found["refused"], found["throttled"]) == (2, 1, 0)
    await cancel(controller, "voice")
    await state.scheduler.look()
    state.fleet.curtailed("nanjing", Curtailed(plan_version=3, streams=()))
    assert (await show(controller))["refused"] == 1


async def test_a_campaign_of_a_site_that_is_gone_is_not_measured_and_does_no_harm(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]], site_file: Any, clock: Any
) -> None:
    async with open_controller() as first:
        await post(first, asked())
        await first.services.scheduler.look()
    text = site_file.read_text(encoding="utf-8")
    site_file.write_text(text.replace('name = "suzhou"', 'name = "kunshan"'), encoding="utf-8")
    async with open_controller() as second:
        assert not await second.services.scheduler.look()
        assert second.services.rounds.scope.streams == second.services.rounds.scope.permanent
        await second.judge()
        found = await show(second)
        assert (found["state"], found["streams"]) == ("running", 2)
        assert "no longer has" in found["notes"][-1]["en"]
        (record,) = second.services.campaigns.records.values()
        clock.now_ns = record.to_ns + second.services.reporting.patience_ns(record)
        await second.services.scheduler.look()
        (record,) = second.services.reporting.due()
        await second.services.reporting.report(record)
        assert (await show(second))["reported_ns"] is not None
