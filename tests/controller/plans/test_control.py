from typing import Any

import msgspec

from probes.exchange import (
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
        version="0", boot="b0", started_ns=1, sent_ns=2, plan_version=plan_version, streams=3
    )


async def say(socket: Any, message: Hello | HealthReport) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())


async def hear(socket: Any) -> PlanPush | Refusal:
    return msgspec.json.decode(await socket.receive_str(), type=ControlFromController)


def hello(**more: Any) -> Hello:
    return Hello(**({"schema": SCHEMA_VERSION, "agent": "nanjing", "health": health()} | more))


async def test_hello_is_answered_by_the_plan(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello())
        answer = await hear(socket)
    assert isinstance(answer, PlanPush)
    assert answer.plan == controller.state.plans["nanjing"]
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
    assert controller.state.fleet.state("nanjing") == "never_seen"


async def test_agent_of_another_schema_is_refused(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await say(socket, hello(schema=99))
        assert isinstance(await hear(socket), Refusal)


async def test_rubbish_is_refused_and_harms_nothing(controller: Any) -> None:
    async with controller.session.ws_connect(ADDRESS) as socket:
        await socket.send_str('{"type": "rubbish"}')
        assert isinstance(await hear(socket), Refusal)
    assert await controller.get("/healthz") == {"status": "ok"}
