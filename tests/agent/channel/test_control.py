"""What an agent says on its control channel, and what it makes of each answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.channel.backoff import Backoff
from agent.channel.claim import Claim
from agent.channel.control import Control
from agent.channel.link import open_session
from agent.conditions import Conditions
from agent.plan.gate import PlanGate
from foundation.text import Text
from messages.exchange import (
    ControlFromAgent,
    Curtailed,
    Health,
    HealthReport,
    Hello,
    Plan,
    PlanPush,
    Refusal,
    StampKeys,
)

PLAN = Plan(version=5, agent="a1")
KEYS = StampKeys(epoch=3, probing={"192.0.2.1": bytes(32)})
REFUSAL = Refusal(text=Text("Another one is heard.", "已连接另一个探针。"), retry_s=3600.0)


@dataclass
class Controller:
    """Says `answers` to whoever says Hello, or refuses the connection with `status`."""

    answers: list[object] = field(default_factory=list)
    status: int = 101
    heard: list[Hello | HealthReport | Curtailed] = field(default_factory=list)
    more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def control(self, request: web.Request) -> web.StreamResponse:
        if self.status != 101:
            return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:9/"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            said = msgspec.json.decode(message.data, type=ControlFromAgent)
            async with self.more:
                self.heard.append(said)
                self.more.notify_all()
            if isinstance(said, Hello):
                for answer in self.answers:
                    text = answer if isinstance(answer, str) else msgspec.json.encode(answer)
                    await socket.send_str(text if isinstance(text, str) else text.decode())
                if said.last:
                    await socket.close()
        return socket


class Agent:
    """What the control channel tells the rest of an agent."""

    def __init__(self) -> None:
        self.claim, self.conditions = Claim(), Told()
        self.plans: asyncio.Queue[tuple[Plan, StampKeys | None]] = asyncio.Queue()
        self.revoked, self.copied = asyncio.Event(), asyncio.Event()
        self.curtailed: Curtailed | None = None

    async def health(self) -> Health:
        return Health(version="1", boot="ab" * 8, started_ns=1, sent_ns=2)

    async def take(self, plan: Plan, keys: StampKeys | None) -> None:
        self.plans.put_nowait((plan, keys))

    async def be_revoked(self) -> None:
        self.revoked.set()


class Told(Conditions):
    """Conditions that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = asyncio.Event()

    def begin(self, *what: object) -> None:
        super().begin(*what)  # type: ignore[arg-type]  # as it was called
        self._begun.set()

    async def wait(self) -> tuple[str, Text]:
        await self._begun.wait()
        (one,) = self.current()
        return one.code, one.text


@contextlib.asynccontextmanager
async def speaking(controller: Controller, gate: PlanGate | None = None) -> AsyncIterator[Agent]:
    """Let an agent speak with a controller as long as the block lasts."""
    app, agent = web.Application(), Agent()
    app.router.add_get("/control", controller.control)
    async with TestServer(app) as server:
        session, base = open_session(str(server.make_url("/")))
        control = Control(
            session,
            f"{base}/control",
            "a1",
            agent.conditions,
            health=agent.health,
            on_plan=agent.take,
            on_revoked=agent.be_revoked,
            on_copied=agent.copied.set,
            curtailed=lambda: agent.curtailed,
            gate=gate,
            claim=agent.claim,
            backoff=Backoff(first_s=0.001, longest_s=0.001),
        )
        async with session, asyncio.timeout(60), asyncio.TaskGroup() as group:
            running = group.create_task(control.run(), name="control")
            yield agent
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await control.report_end()


async def test_a_plan_is_handed_on_with_its_keys_and_the_agent_knows_itself_heard() -> None:
    controller = Controller([PlanPush(plan=PLAN, keys=KEYS, claim="c0ffee")])
    async with speaking(controller) as agent:
        assert await agent.plans.get() == (PLAN, KEYS)
        assert (agent.claim.is_doubted, agent.claim.token) == (False, "c0ffee")
        async with controller.more:  # others probe us under keys only once we have told that
            await controller.more.wait_for(
                lambda: any(isinstance(said, HealthReport) for said in controller.heard)
            )
    assert isinstance(controller.heard[0], Hello)
    assert not controller.heard[0].last


async def test_an_agent_says_at_its_end_what_is_curtailed() -> None:
    controller = Controller([PlanPush(plan=PLAN)])
    async with speaking(controller) as agent:
        await agent.plans.get()
        agent.curtailed = Curtailed(plan_version=5, streams=())
    last = controller.heard[-1]
    assert isinstance(last, Hello)
    assert (last.last, last.curtailed) == (True, agent.curtailed)


async def test_what_is_curtailed_is_told_as_soon_as_it_is_known() -> None:
    controller = Controller()
    async with speaking(controller) as agent:
        agent.curtailed = Curtailed(plan_version=7, streams=())
        async with controller.more:
            await controller.more.wait_for(lambda: agent.curtailed in controller.heard)


async def test_an_agent_that_is_refused_for_another_one_doubts_its_claim() -> None:
    refusal = msgspec.structs.replace(REFUSAL, duplicate=True, copy=True)
    async with speaking(Controller([PlanPush(plan=PLAN), refusal])) as agent:
        assert await agent.conditions.wait() == ("control", REFUSAL.text)
        await agent.copied.wait()
        assert agent.claim.is_doubted


async def test_a_message_that_cannot_be_read_asks_for_the_same_version_on_both() -> None:
    async with speaking(Controller(['{"type":"riddle"}'])) as agent:
        code, text = await agent.conditions.wait()
    assert code == "control"
    assert "install the same version" in text.en


async def test_the_plan_of_another_agent_is_not_run() -> None:
    other = msgspec.structs.replace(PLAN, agent="b2")
    async with speaking(Controller([PlanPush(plan=other)])) as agent:
        code, text = await agent.conditions.wait()
        assert agent.plans.empty()
    assert code == "control"
    assert "b2" in text.en


async def test_a_plan_that_the_gate_refuses_is_told_and_not_run() -> None:
    pinned = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    gate = PlanGate(lambda: pinned, lambda: None)
    async with speaking(Controller([PlanPush(plan=PLAN)]), gate) as agent:
        code, _ = await agent.conditions.wait()
        assert code == "plan_refused"
        assert agent.plans.empty()
        assert agent.claim.is_doubted


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_is_told_and_the_channel_stays_with_its_controller(status: int) -> None:
    async with speaking(Controller(status=status)) as agent:
        code, text = await agent.conditions.wait()
    assert code == "control"
    assert "redirect" in text.en


@pytest.mark.parametrize(("status", "revoked"), [(401, True), (403, False), (503, False)])
async def test_only_a_certificate_that_no_longer_counts_is_revoked(
    status: int, revoked: bool
) -> None:
    async with speaking(Controller(status=status)) as agent:
        code, _ = await agent.conditions.wait()
        if revoked:
            await agent.revoked.wait()
        assert (code, agent.revoked.is_set()) == ("control", revoked)
