"""Campaigns on a controller: created, begun, ended and reported, and nothing that stands moves."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from controller.campaigns.keeper import look
from controller.campaigns.reporting import due, patience_ns, report
from probes.exchange import (
    SCHEMA_VERSION,
    ControlFromController,
    Curtailed,
    CurtailedStream,
    Health,
    Hello,
    Plan,
    PlanPush,
)

SECOND_NS = 1_000_000_000
PAIR = {
    "name": "pair",
    "kind": "list",
    "pairs": [["nanjing", "suzhou"]],
    "one_way": True,
    "ip_versions": [4],
    "carriers": "same",
}
VOICE = PAIR | {
    "stream": [
        {"protocol": "udp", "port": 8620, "dscp": 46, "interval_ms": 20, "flows": 4},
        {"protocol": "icmp", "interval_ms": 100},
    ]
}


def asked(name: str = "voice", **more: Any) -> dict[str, Any]:
    title = {"en": "Voice", "zh": "语音"}
    return {"name": name, "title": title, "duration_s": 60, "mesh": [VOICE]} | more


async def post(controller: Any, body: dict[str, Any], status: int = 201, route: str = "s") -> Any:
    address = f"http://controller/api/v1/campaign{route}"
    async with controller.session.post(address, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def cancel(controller: Any, name: str, status: int = 200) -> Any:
    address = f"http://controller/api/v1/campaigns/{name}"
    async with controller.session.delete(address) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def show(controller: Any, name: str = "voice") -> Any:
    return await controller.get(f"/api/v1/campaigns/{name}")


async def log_of(controller: Any, query: str) -> list[tuple[str, str]]:
    """Return (subject, state) of events, newest first, once all that were told are written."""
    await asyncio.wrap_future(controller.state.store.event_log.append([], []))  # behind all others
    found = await controller.get(f"/api/v1/event-log?{query}")
    return [(event["subject"], event["state"]) for event in found["items"]]


async def states_of(controller: Any, name: str) -> list[str]:
    """Return what the event log has of a campaign, oldest first."""
    found = await log_of(controller, f"kind=campaign&subject={name}")
    return [state for _, state in reversed(found)]


def dscp46(plan: Plan) -> list[Any]:
    return [spec for spec in plan.streams if spec.type_p.dscp == 46]


async def test_a_campaign_begins_and_ends_by_itself(controller: Any, clock: Any) -> None:
    state = controller.state
    standing, before = state.streams, dict(state.plans)
    await controller.judge()
    verdicts = await controller.get("/api/v1/verdicts")
    begin_ns = clock.now_ns + 100 * SECOND_NS
    made = await post(controller, asked(begin_ns=begin_ns))
    assert (made["state"], made["streams"], made["missed_ns"]) == ("scheduled", 2, 0)
    assert not await look(state)
    assert state.plans == before

    clock.now_ns = begin_ns
    assert await look(state)
    assert (await show(controller))["state"] == "running"
    assert (await controller.get("/api/v1/health"))["campaigns"]["running"] == 1
    async with controller.session.get("http://controller/metrics") as answer:
        assert 'isochrone_campaigns{state="running"} 1.0' in await answer.text()
    assert state.plans["nanjing"].version == 2
    assert state.plans["suzhou"].version == 1  # it reflects for nanjing already
    (spec,) = dscp46(state.plans["nanjing"])
    assert (spec.interval_ms, spec.flows) == (20, 4)
    assert state.streams[: len(standing)] != standing  # one of them runs faster
    assert [s.stream_id for s in state.streams[: len(standing)]] == [s.stream_id for s in standing]
    assert len(state.streams) == len(standing) + 1
    during = await controller.get("/api/v1/verdicts")
    assert [v["target"] for v in during["items"]] == [v["target"] for v in verdicts["items"]]

    clock.now_ns = begin_ns + 60 * SECOND_NS
    assert await look(state)
    assert (await show(controller))["state"] == "ended"
    assert state.streams == standing
    assert state.plans["nanjing"].streams == before["nanjing"].streams
    assert state.plans["nanjing"].version == 3
    assert await states_of(controller, "voice") == ["scheduled", "running", "ended"]
    added = await controller.get("/api/v1/agents/nanjing/plans/2/diff")
    assert [s["type_p"]["dscp"] for s in added["streams_added"]] == [46]
    removed = await controller.get("/api/v1/agents/nanjing/plans/3/diff")
    assert removed["streams_removed"] == added["streams_added"]


async def test_a_stream_that_runs_already_runs_at_the_faster_of_the_intervals(
    controller: Any,
) -> None:
    state = controller.state
    mesh = PAIR | {"stream": [{"protocol": "icmp", "interval_ms": 5000, "flows": 3}]}
    await post(controller, asked(mesh=[mesh]))
    mesh = PAIR | {"name": "b", "stream": [{"protocol": "icmp", "interval_ms": 50}]}
    await post(controller, asked("second", mesh=[mesh]))
    known = {spec.stream_id: spec for spec in state.plans["nanjing"].streams}
    await look(state)
    changed = [s for s in state.plans["nanjing"].streams if known[s.stream_id] != s]
    assert [(s.interval_ms, s.flows) for s in changed] == [(50, 3)]
    await cancel(controller, "second")
    await look(state)
    changed = [s for s in state.plans["nanjing"].streams if known[s.stream_id] != s]
    assert [(s.interval_ms, s.flows) for s in changed] == [(1000, 3)]
    await cancel(controller, "voice")
    await look(state)
    assert {s.stream_id: s for s in state.plans["nanjing"].streams} == known


async def test_connected_agents_are_told_at_once(controller: Any) -> None:
    health = Health(version="0", boot="b0", started_ns=1, sent_ns=2, plan_version=1)
    hello = Hello(schema=SCHEMA_VERSION, agent="nanjing", health=health)
    address = "http://controller/api/v1/agents/nanjing/control"
    async with controller.session.ws_connect(address) as socket:
        await socket.send_str(msgspec.json.encode(hello).decode())
        first = msgspec.json.decode(await socket.receive_str(), type=ControlFromController)
        await post(controller, asked())
        await look(controller.state)
        second = msgspec.json.decode(await socket.receive_str(), type=ControlFromController)
    assert isinstance(first, PlanPush)
    assert isinstance(second, PlanPush)
    assert (len(dscp46(first.plan)), len(dscp46(second.plan))) == (0, 1)
    assert second.plan.version == first.plan.version + 1


async def test_windows_and_states_of_its_streams_come_and_go(
    controller: Any, clock: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    state = controller.state
    clock.now_ns += 600 * SECOND_NS  # the controller has listened for long
    own = [s.stream_id for s in state.streams if s.path.source.site == "nanjing"]
    batch = batch_of(own, clock.now_ns - 10 * SECOND_NS)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    await controller.judge()
    sent = state.live.latest.evidence.sent.copy()
    await post(controller, asked(duration_s=600))
    await look(state)
    assert (state.live.latest.evidence.sent[: len(sent)] == sent).all()
    new = state.streams[-1].stream_id

    def stands() -> Any:
        return controller.get("/api/v1/states?kind=stream")

    # It has just begun: silence is not said before it could have spoken.
    assert {s["subject"]: s["state"] for s in (await stands())["items"]}[str(new)] == "ok"
    clock.now_ns += 10 * SECOND_NS
    batch = batch_of([new], clock.now_ns - 10 * SECOND_NS, sent=500)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=1))
    await controller.judge()
    assert (await show(controller))["reporting"] == 2
    assert state.live.latest.evidence.sent[-1] == 500
    clock.now_ns += 200 * SECOND_NS
    state.fleet.heard("nanjing")
    await controller.judge()
    assert {s["subject"]: s["state"] for s in (await stands())["items"]}[str(new)] == "no_data"

    await cancel(controller, "voice")
    await look(state)
    assert (state.live.latest.evidence.sent == sent).all()
    clock.now_ns += 300 * SECOND_NS
    state.fleet.heard("nanjing")
    await controller.judge()
    assert str(new) not in {s["subject"] for s in (await stands())["items"]}
    log = await log_of(controller, f"kind=stream&subject={new}")
    assert [state for _, state in log] == ["ended", "no_data", "ok"]
    # A window that was on its way is stored all the same.
    batch = batch_of([new], clock.now_ns - 10 * SECOND_NS)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=2))


async def test_a_restart_in_the_middle_goes_on(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]], clock: Any
) -> None:
    async with open_controller() as first:
        await post(first, asked())
        await look(first.state)
        plans = dict(first.state.plans)
    clock.now_ns += 30 * SECOND_NS
    async with open_controller() as second:
        assert second.state.plans == plans
        assert not await look(second.state)
        found = await show(second)
        assert (found["state"], found["missed_ns"], found["notes"]) == ("running", 0, [])
        assert await states_of(second, "voice") == ["scheduled", "running"]
    clock.now_ns += 60 * SECOND_NS
    async with open_controller() as third:
        await look(third.state)
        found = await show(third)
        assert (found["state"], found["ended_ns"]) == ("ended", clock.now_ns)
        assert dscp46(third.state.plans["nanjing"]) == []
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
        await look(second.state)
        early, late = await show(second, "early"), await show(second, "late")
        assert (early["state"], early["begun_ns"]) == ("ended", None)
        assert early["missed_ns"] == 30 * SECOND_NS
        assert "nothing was measured" in early["notes"][0]["en"]
        assert (late["state"], late["missed_ns"]) == ("running", 40 * SECOND_NS)
        assert "first 40 s" in late["notes"][0]["en"]
        assert due(second.state) == []
        await second.get("/api/v1/campaigns/early/report", 404)


async def test_curtailed_streams_are_counted(controller: Any) -> None:
    state = controller.state
    await post(controller, asked())
    await look(state)
    (spec,) = dscp46(state.plans["nanjing"])
    one = CurtailedStream(stream_id=spec.stream_id, rule="policy.ports", action="refused")
    state.fleet.curtailed("nanjing", Curtailed(plan_version=2, streams=(one,)))
    found = await show(controller)
    assert (found["streams"], found["refused"], found["throttled"]) == (2, 1, 0)
    await cancel(controller, "voice")
    await look(state)
    state.fleet.curtailed("nanjing", Curtailed(plan_version=3, streams=()))
    assert (await show(controller))["refused"] == 1


async def test_the_report_rests_on_the_campaigns_own_streams_and_period(
    controller: Any, clock: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    state = controller.state
    clock.now_ns += 10 * SECOND_NS
    own = [s.stream_id for s in state.streams if s.path.source.site == "nanjing"]

    async def deliver(ids: list[int], number: int, **more: Any) -> None:
        clock.now_ns += 10 * SECOND_NS
        batch = batch_of(ids, clock.now_ns - 10 * SECOND_NS, sent=200, **more)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=number))

    slow = {"rtt_ns": 40e6, "forward_ns": 20e6}
    await deliver(own, 0, **slow)
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    target = next(
        d.target.name for d in state.demands if d.path.id == path and d.target.kind == "delay"
    )
    await post(controller, asked(duration_s=40, targets=[target]))
    await look(state)
    ids = [stream.stream_id for stream in state.streams if stream.path.source.site == "nanjing"]
    clock.now_ns -= 5 * SECOND_NS  # windows do not begin with the campaign
    for number in range(1, 6):
        fast = {"rtt_ns": 900_000.0, "forward_ns": 450_000.0}
        await deliver(ids, number, **(fast if 1 < number < 5 else slow))
    await look(state)
    await deliver(own, 6, **slow)
    (record,) = state.campaigns.records.values()
    clock.now_ns = record.to_ns + patience_ns(state, record) - 1
    assert due(state) == []
    assert (
        "no report yet"
        in (await controller.get("/api/v1/campaigns/voice/report", 404))["error"]["message"]["en"]
    )
    clock.now_ns += 1
    assert due(state) == [record]
    await report(state, record)
    assert due(state) == []
    found = await show(controller)
    assert [(r["target"], r["counts"]) for r in found["results"]] == [(target, {"pass": 1})]
    async with controller.session.get("http://controller/api/v1/campaigns/voice/report") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page = await answer.text()
    assert "dscp46" in page
    assert "语音" in page
    # Nothing of it stays in the live map.
    assert state.live.latest.evidence.sent.shape == (len(state.standing),)


async def test_what_it_names_must_be_there(controller: Any) -> None:
    mesh = VOICE | {"pairs": [["nanjing", "suzhuo"]]}
    body = asked(mesh=[mesh], targets=["circle"])
    error = (await post(controller, body, 422))["error"]
    assert error["code"] == "bad_campaign"
    keys = [problem["key"] for problem in error["fields"]["problems"]]
    assert keys == [["mesh", 0, "pairs"], ["targets", 0]]
    assert "did you mean `suzhou`" in error["message"]["en"]
    nothing = VOICE | {"members": {"sites": ["router"]}, "kind": "full", "pairs": []}
    error = (await post(controller, asked(mesh=[nothing]), 422))["error"]
    assert "select no path" in error["message"]["en"]
    assert (await controller.get("/api/v1/campaigns"))["items"] == []


async def test_what_would_be_too_much_is_refused_with_what_to_change(controller: Any) -> None:
    load = await post(controller, asked(), 200, "-load")
    assert (load["streams"], load["streams_added"], load["streams_faster"]) == (2, 1, 1)
    assert load["packets_per_s"] == pytest.approx(50 + 9)
    assert load["bits_per_s"] == pytest.approx(50 * 92 * 8 + 9 * 72 * 8)
    assert load["busiest_agent"]["name"] == "nanjing"
    fast = VOICE | {"stream": [{"protocol": "udp", "port": 8620, "interval_ms": 1}]}
    for route in ("s", "-load"):
        error = (await post(controller, asked(mesh=[fast]), 422, route))["error"]
        assert "longer interval_ms" in error["message"]["en"]
        assert "pair_packets_per_s" in error["message"]["en"]
    assert (await controller.get("/api/v1/campaigns"))["items"] == []
    error = (await post(controller, asked(duration_s=29), 422))["error"]
    assert "at least 30 s" in error["message"]["en"]
    later = asked(begin_ns=controller.state.clock.now_ns - 3600 * SECOND_NS)
    assert (await post(controller, later, 422))["error"]["code"] == "bad_period"


async def test_campaigns_are_listed_cancelled_once_and_a_name_means_one(
    controller: Any, clock: Any
) -> None:
    begin_ns = clock.now_ns + 100 * SECOND_NS
    for name in ("a", "b", "c"):
        made = await post(controller, asked(name, begin_ns=begin_ns))
        assert made["created_by"].startswith("owner uid")
    assert (await post(controller, asked("a"), 409))["error"]["code"] == "name_in_use"
    page = await controller.get("/api/v1/campaigns?limit=2")
    assert [item["name"] for item in page["items"]] == ["a", "b"]
    rest = await controller.get(f"/api/v1/campaigns?limit=2&after={page['next']}")
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["c"], None)
    assert (await cancel(controller, "b"))["state"] == "cancelled"
    assert (await cancel(controller, "b", 409))["error"]["code"] == "already_over"
    assert (await cancel(controller, "d", 404))["error"]["code"] == "unknown_campaign"
    found = await controller.get("/api/v1/campaigns?state=scheduled")
    assert [item["name"] for item in found["items"]] == ["a", "c"]
    clock.now_ns = begin_ns
    await look(controller.state)
    assert (await show(controller, "b"))["state"] == "cancelled"
    assert await states_of(controller, "b") == ["scheduled", "cancelled"]


async def test_a_campaign_of_a_site_that_is_gone_is_not_measured_and_does_no_harm(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]], site_file: Any, clock: Any
) -> None:
    async with open_controller() as first:
        await post(first, asked())
        await look(first.state)
    text = site_file.read_text(encoding="utf-8")
    site_file.write_text(text.replace('name = "suzhou"', 'name = "kunshan"'), encoding="utf-8")
    async with open_controller() as second:
        assert not await look(second.state)
        assert second.state.streams == second.state.standing
        await second.judge()
        found = await show(second)
        assert (found["state"], found["streams"]) == ("running", 2)
        assert "no longer has" in found["notes"][-1]["en"]
        (record,) = second.state.campaigns.records.values()
        clock.now_ns = record.to_ns + patience_ns(second.state, record)
        await look(second.state)
        (record,) = due(second.state)
        await report(second.state, record)
        assert (await show(second))["reported_ns"] is not None


async def test_a_path_of_its_own_comes_and_goes_and_its_windows_stay_readable(
    open_controller: Callable[[], AbstractAsyncContextManager[Any]],
    site_file: Any,
    clock: Any,
    batch_of: Callable[..., Any],
    chunk_of: Callable[..., bytes],
) -> None:
    text = site_file.read_text(encoding="utf-8")
    mesh = 'name = "all"\nkind = "list"\npairs = [["nanjing", "router"]]'
    site_file.write_text(text.replace('name = "all"', mesh), encoding="utf-8")
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    async with open_controller() as controller:
        state = controller.state
        clock.now_ns += 600 * SECOND_NS
        await controller.judge()
        targets = await controller.get("/api/v1/targets")
        paths = await controller.get("/api/v1/paths")
        assert path not in [item["id"] for item in paths["items"]]
        await post(controller, asked())
        await look(state)
        assert path in [item["id"] for item in (await controller.get("/api/v1/paths"))["items"]]
        # Who only reflected until now is not without data yet, nor is the path.
        known = (await controller.get("/api/v1/states"))["items"]
        assert [item["state"] for item in known if item["subject"] == path] == ["ok"]
        ids = [s.stream_id for s in state.streams if s.path.id == path]
        clock.now_ns += 10 * SECOND_NS
        batch = batch_of(ids, clock.now_ns - 10 * SECOND_NS)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
        await controller.judge()
        now = await controller.get("/api/v1/targets")
        assert [t["compliance"] for t in now["items"]] == [
            t["compliance"] for t in targets["items"]
        ]
        async with controller.session.get("http://controller/metrics") as answer:
            assert f'path="{path}"' in await answer.text()
        await cancel(controller, "voice")
        await look(state)
        assert await controller.get("/api/v1/paths") == paths
        windows = await controller.get(f"/api/v1/windows?path={path}&protocol=udp")
        assert [item["sent"] for item in windows["items"]] == [10]
        span = f"from_ns={clock.now_ns - 60 * SECOND_NS}&to_ns={clock.now_ns}"
        async with controller.session.get(
            f"http://controller/api/v1/export?{span}&format=csv&site=suzhou"
        ) as answer:
            lines = (await answer.text()).splitlines()
        assert len(lines) == 1 + len(ids)
        assert ",suzhou," in lines[1]
        log = await log_of(controller, "kind=path")
        assert log[:2] == [(path, "ended"), (path, "ok")]
