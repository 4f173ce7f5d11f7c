import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from controller.plans.channels import MAX_OPEN
from messages.exchange import (
    CHUNK_CONTENT_TYPE,
    CLAIM_HEADER,
    SCHEMA_VERSION,
    ControlFromController,
    Health,
    HealthReport,
    Hello,
    PlanPush,
    Refusal,
)

ADDRESS = "http://controller/api/v1/agents/nanjing/control"


def health(plan_version: int | None = None) -> Health:
    return Health(
        version="0", boot="b0b0b0b0", started_ns=1, sent_ns=2, plan_version=plan_version, streams=3
    )


async def say(socket: Any, message: Hello | HealthReport) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())


async def hear(socket: Any) -> PlanPush | Refusal:
    async with asyncio.timeout(60):  # a controller that says nothing fails, and does not hang
        return msgspec.json.decode(await socket.receive_str(), type=ControlFromController)


def hello(**more: Any) -> Hello:
    return Hello(**({"schema": SCHEMA_VERSION, "agent": "nanjing", "health": health()} | more))


async def test_hello_is_answered_by_the_plan(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        answer = await hear(socket)
    assert isinstance(answer, PlanPush)
    assert answer.plan == controller.services.distribution.plans["nanjing"]
    assert answer.plan.version == 1


async def test_health_is_kept_and_shown(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        await say(socket, HealthReport(health=health(plan_version=0)))
        assert isinstance(await hear(socket), PlanPush)  # its plan is not the wanted one
        agent = (await controller.get("/api/v1/agents"))["items"][0]
    assert agent["health"]["streams"] == 3
    assert agent["plan_version"] == 0
    assert (agent["state"], agent["wanted_plan_version"]) == ("ok", 1)


async def test_agent_with_another_name_is_refused(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello(agent="suzhou"))
        answer = await hear(socket)
        assert isinstance(answer, Refusal)
        assert answer.retry_s > 0
        assert (await socket.receive()).type.name in ("CLOSE", "CLOSING", "CLOSED")
    assert controller.services.fleet.now().state("nanjing") == "never_seen"


async def test_agent_of_another_schema_is_refused(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello(schema=99))
        assert isinstance(await hear(socket), Refusal)


async def test_rubbish_is_refused_and_harms_nothing(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await socket.send_str('{"type": "rubbish"}')
        assert isinstance(await hear(socket), Refusal)
    assert await controller.get("/healthz") == {"status": "ok"}


def curtailed(*streams: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "curtailed", "plan_version": 1, "streams": list(streams)} | more


def refused_stream(number: Any, rule: str = "policy.ports") -> dict[str, Any]:
    return {"stream_id": number, "rule": rule, "action": "refused"}


def reporting(**more: Any) -> dict[str, Any]:
    told = {"version": "1", "boot": "b0b0b0b0", "started_ns": 1, "sent_ns": 2}
    return {"type": "health", "health": told | more}


def mine(controller: Any, agent: str = "nanjing") -> list[int]:
    return [spec.stream_id for spec in controller.services.distribution.plans[agent].streams]


SENTENCE = {"en": "x", "zh": "x"}
SICK = [
    curtailed(refused_stream(-1)),
    curtailed(refused_stream(1 << 64)),
    curtailed(refused_stream(1 << 200)),
    curtailed(refused_stream(1.5)),
    curtailed(refused_stream(5, "made-up rule")),
    curtailed(refused_stream(5, "policy." + "x" * 10_000)),
    curtailed(plan_version=-1),
    curtailed({**refused_stream(5), "action": "throttled", "interval_ms": 0}),
    curtailed({**refused_stream(5), "action": "throttled", "interval_ms": 1e300}),
    reporting(boot="not hexadecimal"),
    reporting(version="1" * 1000),
    reporting(version="1\x1b[2J"),
    reporting(clock_source="\x1b]0;mine\x07"),
    reporting(started_ns=1 << 90),
    reporting(sent_ns=-1),
    reporting(plan_version=1 << 63),
    reporting(calibration_ns=-5),
    reporting(clock_bound_ns=1 << 70),
    reporting(cpu_ratio=-1.0),
    reporting(reflector={"x" * 500: 1}),
    reporting(reflector={f"made_up_{i}": 1 for i in range(1000)}),
    reporting(stamp_epoch=0),
    reporting(
        totals={"probes_sent": -1, "windows_closed": 0, "waiting_windows": 0, "waiting_probes": 0}
    ),
    reporting(conditions=[{"code": "x", "severity": "info", "text": SENTENCE}] * 65),
    reporting(conditions=[{"code": "a b", "severity": "info", "text": SENTENCE}]),
    reporting(
        conditions=[{"code": "x", "severity": "info", "text": {"en": "x" * 4001, "zh": "x"}}]
    ),
    reporting(curtailed=[{"rule": "policy.made_up", "action": "refused", "streams": 1}]),
    reporting(curtailed=[{"rule": "policy.ports", "action": "refused", "streams": -1}]),
    {"type": "hello", "schema": 1 << 80, "agent": "nanjing", "health": reporting()["health"]},
]


@pytest.mark.parametrize("message", SICK, ids=range(len(SICK)))
async def test_what_is_out_of_range_is_refused_and_blinds_nobody(
    controller: Any, message: dict[str, Any]
) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await socket.send_str(json.dumps(message))
        answer = await hear(socket)
    assert isinstance(answer, Refusal)
    await controller.judge()
    assert controller.services.watchdog.failing() == {}
    assert await controller.get("/readyz") == {"status": "ready"}
    for route in ("agents", "paths", "streams", "states"):
        await controller.get(f"/api/v1/{route}")
    assert controller.services.fleet.refused == {"nanjing": 1}


async def test_other_agents_streams_cannot_be_declared_curtailed(controller: Any) -> None:
    theirs = mine(controller, "suzhou")
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        message = curtailed(*map(refused_stream, [mine(controller)[0], theirs[0]]))
        await socket.send_str(msgspec.json.encode(message).decode())
        assert isinstance(await hear(socket), Refusal)
    assert controller.services.fleet.now().refused_streams().tolist() == []
    assert controller.services.fleet.now().curtailment("nanjing", theirs[0]) is None


@pytest.mark.parametrize("rule", ["policy.made_up", "made-up rule", "policy." + "x" * 10_000, ""])
async def test_made_up_rules_are_refused_and_make_no_series(controller: Any, rule: str) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        message = curtailed(refused_stream(mine(controller)[0], rule))
        await socket.send_str(json.dumps(message))
        assert isinstance(await hear(socket), Refusal)
    async with controller.session.get("http://controller/metrics") as answer:
        series = await answer.text()
    assert "made" not in series
    assert "x" * 99 not in series
    assert controller.services.fleet.now().refused_streams().tolist() == []


async def test_made_up_streams_are_not_remembered(controller: Any) -> None:
    message = curtailed(*map(refused_stream, range(40_000)))
    async with controller.session.ws_connect(ADDRESS) as socket:
        await socket.send_str(msgspec.json.encode(message).decode())
        assert isinstance(await hear(socket), Refusal)
    assert controller.services.fleet.now().refused_streams().tolist() == []


async def test_own_streams_are_curtailed_and_those_of_an_older_plan_are_over(
    controller: Any,
) -> None:
    kept, gone = mine(controller)[:2]
    plan = controller.services.distribution.plans["nanjing"]
    streams = tuple(spec for spec in plan.streams if spec.stream_id != gone)
    controller.services.distribution.plans["nanjing"] = msgspec.structs.replace(
        plan, streams=streams
    )
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        await socket.send_str(
            msgspec.json.encode(curtailed(*map(refused_stream, [kept, gone]))).decode()
        )
        await say(socket, hello())  # answered, so what stands before it was heard
        await hear(socket)
    assert controller.services.fleet.now().refused_streams().tolist() == [kept]


async def test_sentences_of_agents_are_shown_without_controls(controller: Any) -> None:
    text = {"en": "a\x1b[31mb\u202ec\x00", "zh": "甲\x9b乙"}
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        condition = {"code": "odd", "severity": "info", "text": text}
        await socket.send_str(
            msgspec.json.encode(reporting(conditions=[condition], plan_version=0)).decode()
        )
        await hear(socket)  # the plan it does not have
        agent = (await controller.get("/api/v1/agents"))["items"][0]
    shown = agent["health"]["conditions"][0]["text"]
    assert shown == {"en": "a\ufffd[31mb\ufffdc\ufffd", "zh": "甲\ufffd乙"}


def of_boot(boot: str, **more: Any) -> Hello:
    told = msgspec.structs.replace(health(), boot=boot)
    return hello(health=told, **more)


async def events_of(controller: Any, state: str) -> list[str]:
    log = await controller.get(f"/api/v1/event-log?kind=agent&state={state}")
    return [event["subject"] for event in log["items"]]


async def wait_event(controller: Any, state: str) -> None:
    async with asyncio.timeout(60):
        while not await events_of(controller, state):  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def living(socket: Any) -> AsyncIterator[None]:
    """Let a channel answer pings, as an agent that runs does."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(socket.receive())
        yield
        reading.cancel()


async def refused(controller: Any, boot: str) -> Refusal:
    """Come with another boot while one is heard; return what is said."""
    async with controller.session.ws_connect(ADDRESS) as second:
        await say(second, of_boot(boot))
        refusal = await hear(second)
        assert isinstance(refusal, Refusal)
        return refusal


async def test_second_agent_of_a_name_is_refused_told_and_may_not_deliver(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    body = chunk_of(batch_of(mine(controller)[:1], clock.now_ns), agent="nanjing", sequence=1)
    async with controller.session.ws_connect(ADDRESS) as first:
        await say(first, of_boot("aaaaaaaa"))
        claim = (await hear(first)).claim
        async with living(first):
            assert (await refused(controller, "bbbbbbbb")).duplicate
        await wait_event(controller, "another_refused")
        assert (await controller.deliver("nanjing", body, 409))["error"]["code"] == "another_agent"
        assert await delivered(controller, body, claim) == 200
    assert await events_of(controller, "another_refused") == ["nanjing"]
    assert controller.services.ingest.results["windows"] == 1


async def test_agent_whose_predecessor_was_cut_off_a_moment_ago_is_called_no_copy(
    controller: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.plans.channels.PING_LIMIT_S", 0.05)  # nobody answers here
    async with controller.session.ws_connect(ADDRESS, autoping=False) as first:
        await say(first, of_boot("aaaaaaaa"))
        await hear(first)
        refusal = await refused(controller, "bbbbbbbb")
        assert refusal.retry_s <= 5
        clock.now_ns += 8_000_000_000
        async with controller.session.ws_connect(ADDRESS) as second:
            await say(second, of_boot("bbbbbbbb"))
            assert isinstance(await hear(second), PlanPush)
    assert await events_of(controller, "another_refused") == []
    assert not controller.services.duplicates.is_duplicate("nanjing", ["aaaaaaaa", "bbbbbbbb"])


class Copies:
    """Two lives of one agent, of which the second was refused while the first was heard."""

    def __init__(self, controller: Any, clock: Any, batch_of: Any, chunk_of: Any) -> None:
        self.controller, self.start_ns = controller, clock.now_ns - 600_000_000_000
        self.batch_of, self.chunk_of = batch_of, chunk_of

    async def deliver(self, boot: str, window: int, by: str, sequence: int = 0) -> int:
        """Return the status for a chunk of a boot that another boot, maybe, delivers."""
        async with self.controller.session.ws_connect(ADDRESS) as socket:
            await say(socket, of_boot(by))
            claim = (await hear(socket)).claim
            start_ns = self.start_ns + window * 10_000_000_000
            batch = self.batch_of(mine(self.controller)[:1], start_ns)
            body = self.chunk_of(batch, agent="nanjing", boot=boot, sequence=sequence or window + 1)
            status = await delivered(self.controller, body, claim)
        await self.until_gone()
        return status

    async def until_gone(self) -> None:
        async with asyncio.timeout(60):
            while self.controller.services.channels.living("nanjing") is not None:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)

    async def meet(self, heard: str, other: str) -> None:
        async with self.controller.session.ws_connect(ADDRESS) as socket:
            await say(socket, of_boot(heard))
            await hear(socket)
            async with living(socket):
                await refused(self.controller, other)
        await self.until_gone()


async def test_windows_of_a_copy_never_enter_where_the_other_measured_and_others_do(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    copies = Copies(controller, clock, batch_of, chunk_of)
    a, b, later = "aaaaaaaa", "bbbbbbbb", "cccccccc"
    for window in (0, 1, 2):
        assert await copies.deliver(a, window, by=a) == 200
    await copies.meet(a, b)
    assert [await copies.deliver(b, window, by=b) for window in range(5)] == [409] * 3 + [200] * 2
    # A copy's next life brings what its earlier ones left, whoever of them was seen.
    assert await copies.deliver(b, 2, by=later) == 409
    # The first comes back with what it had not delivered: of the other's time nothing is taken.
    assert await copies.deliver(a, 4, by=a) == 409
    assert await copies.deliver(a, 5, by=a) == 200
    assert await copies.deliver(a, 1, by=a) == 200  # known, and not refused for its own sake
    assert controller.services.ingest.refused["measured_twice"] == 5
    assert controller.services.ingest.results["windows"] == 6


async def test_what_a_copy_measured_is_refused_in_the_next_life_of_the_controller_too(
    open_controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    a, b = "aaaaaaaa", "bbbbbbbb"
    async with open_controller() as first:
        copies = Copies(first, clock, batch_of, chunk_of)
        assert await copies.deliver(a, 0, by=a) == 200
        await copies.meet(a, b)
    async with open_controller() as second:
        copies.controller = second
        assert await copies.deliver(b, 0, by=b) == 409
        assert await copies.deliver(b, 1, by=b) == 200
        assert second.services.duplicates.refused_last()["nanjing"].boot == b


async def test_next_life_of_an_agent_brings_its_spool_whatever_its_clock_said(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """Its clock was set back at the restart: the same times, and no copy far and wide."""
    copies = Copies(controller, clock, batch_of, chunk_of)
    assert await copies.deliver("aaaaaaaa", 0, by="aaaaaaaa") == 200
    assert await copies.deliver("aaaaaaaa", 1, by="bbbbbbbb") == 200
    assert await copies.deliver("bbbbbbbb", 1, by="bbbbbbbb", sequence=9) == 200


async def test_agent_that_ran_beside_another_long_before_it_came_is_known_as_a_copy(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    """It could not reach the controller while the other was heard."""
    copies = Copies(controller, clock, batch_of, chunk_of)
    assert await copies.deliver("aaaaaaaa", 0, by="aaaaaaaa") == 200
    told = msgspec.structs.replace(
        health(), boot="bbbbbbbb", started_ns=clock.now_ns - 600_000_000_000, sent_ns=clock.now_ns
    )
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello(health=told))
        assert isinstance(await hear(socket), PlanPush)
    await copies.until_gone()
    assert await copies.deliver("bbbbbbbb", 0, by="bbbbbbbb") == 409


async def delivered(controller: Any, body: bytes, claim: str) -> int:
    headers = {"Content-Type": CHUNK_CONTENT_TYPE, CLAIM_HEADER: claim}
    address = "http://controller/api/v1/agents/nanjing/chunks"
    async with controller.session.post(address, data=body, headers=headers) as answer:
        return int(answer.status)


async def test_copy_of_a_running_agent_with_its_boot_is_refused_while_that_one_answers(
    controller: Any, clock: Any, batch_of: Any, chunk_of: Any
) -> None:
    body = chunk_of(batch_of(mine(controller)[:1], clock.now_ns), agent="nanjing", sequence=1)
    async with (
        controller.session.ws_connect(ADDRESS) as first,
        controller.session.ws_connect(ADDRESS) as second,
    ):
        await say(first, of_boot("aaaaaaaa"))
        claim = (await hear(first)).claim
        await say(second, of_boot("aaaaaaaa"))
        renewed, refusal = await asyncio.gather(hear(first), hear(second))
        assert isinstance(refusal, Refusal)
        assert refusal.copy  # so it takes its own boot
        assert renewed.claim != claim  # the copy may know the old one
        assert await delivered(controller, body, claim) == 409
        assert await delivered(controller, body, renewed.claim) == 200


async def test_agent_that_was_killed_is_followed_at_once_by_its_next_life(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as first:
        await say(first, of_boot("aaaaaaaa"))
        await hear(first)
        first._response.connection.transport.abort()
        async with asyncio.timeout(60):
            while controller.services.channels.living("nanjing") is not None:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)
    async with controller.session.ws_connect(ADDRESS) as second:
        await say(second, of_boot("bbbbbbbb"))
        assert isinstance(await hear(second), PlanPush)
    assert await events_of(controller, "another_refused") == []


async def test_channel_that_fell_silent_is_followed_once_it_answers_no_more(
    controller: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.plans.channels.PING_LIMIT_S", 0.05)  # nobody answers here
    async with controller.session.ws_connect(ADDRESS, autoping=False) as first:
        await say(first, of_boot("aaaaaaaa"))
        await hear(first)
        clock.now_ns += 11_000_000_000
        async with controller.session.ws_connect(ADDRESS) as second:
            await say(second, of_boot("bbbbbbbb"))
            assert isinstance(await hear(second), PlanPush)  # the first never answered the ping


async def test_last_words_take_no_place_and_are_heard(controller: Any) -> None:
    async with (
        controller.session.ws_connect(ADDRESS) as first,
        controller.session.ws_connect(ADDRESS) as last,
    ):
        await say(first, of_boot("aaaaaaaa"))
        await hear(first)
        living = controller.services.channels.living("nanjing")
        told = msgspec.structs.replace(health(), boot="aaaaaaaa", probes_sent=77)
        await say(last, hello(health=told, last=True))
        assert isinstance(await hear(last), PlanPush)
        assert controller.services.channels.living("nanjing") is living
    assert controller.services.fleet.now().health("nanjing").probes_sent == 77


async def test_channels_of_one_agent_are_few(controller: Any) -> None:
    async with contextlib.AsyncExitStack() as opened:
        for _ in range(MAX_OPEN):
            await opened.enter_async_context(controller.session.ws_connect(ADDRESS))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await controller.session.ws_connect(ADDRESS)
        assert refused.value.status == 429
        other = ADDRESS.replace("nanjing", "suzhou")
        async with controller.session.ws_connect(other) as socket:
            await say(socket, hello(agent="suzhou"))
            assert isinstance(await hear(socket), PlanPush)


async def test_plan_is_renumbered_a_few_times_and_not_for_ever(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        await hear(socket)
        for _ in range(10):
            running = controller.services.distribution.plans["nanjing"].version + 5
            await say(socket, HealthReport(health=health(plan_version=running)))
            await hear(socket)
        assert controller.services.distribution.plans["nanjing"].version <= 1 + 3 * 6
        await say(socket, HealthReport(health=health(plan_version=(1 << 53) - 2)))
        await hear(socket)
        assert controller.services.distribution.plans["nanjing"].version <= 1 + 3 * 6
