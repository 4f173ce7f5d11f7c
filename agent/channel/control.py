"""The control channel: Hello and health to the controller, plans from it, over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from agent.channel.backoff import Backoff
from agent.channel.claim import Claim
from agent.channel.link import is_revoked, unreachable
from agent.conditions import Conditions
from foundation.text import Text, language_of_environment
from messages.exchange import (
    SCHEMA_VERSION,
    ControlFromController,
    Curtailed,
    Health,
    HealthReport,
    Hello,
    Plan,
    Refusal,
    StampKeys,
)

if TYPE_CHECKING:
    from agent.plan.gate import PlanGate

HEARTBEAT_S = 10.0
HEALTH_EVERY_S = 5.0
TELL_WITHIN_S = 1.0  # after it happened: what is curtailed, and who is not answered
MAX_PLAN_BYTES = 64 << 20
_LONGEST_REFUSAL_S = 3600.0
_LOG = logging.getLogger("isochrone.agent")
_DECODER = msgspec.json.Decoder(ControlFromController)


class Control:
    """Keeps the channel open.

    `health()` gives the report of now, `on_plan` takes a new plan that `gate` lets through, with
    the keys beside it; `on_revoked` is told that the controller has ended our certificate,
    `on_copied` that another process has the memory that we had.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        agent: str,
        conditions: Conditions,
        *,
        health: Callable[[], Awaitable[Health]],
        on_plan: Callable[[Plan, StampKeys | None], Awaitable[None]],
        on_revoked: Callable[[], Awaitable[None]] | None = None,
        on_copied: Callable[[], None] = lambda: None,
        curtailed: Callable[[], Curtailed | None] = lambda: None,
        gate: PlanGate | None = None,
        claim: Claim | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._session = session
        self._url = url
        self._agent = agent
        self._conditions = conditions
        self._health = health
        self._on_plan, self._on_revoked, self._on_copied = on_plan, on_revoked, on_copied
        self._epoch: int | None = None  # of the keys that came last
        self._report_now = False
        self._curtailed = curtailed
        self._gate = gate
        self._claim = claim or Claim()
        self._backoff = backoff or Backoff()

    async def run(self) -> None:
        """Speak with the controller for ever, coming back after every loss of it."""
        while True:
            wait_s = 0.0
            try:
                wait_s = await self._exchange()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._conditions.begin("control", "warning", unreachable(self._url, error))
                if self._on_revoked is not None and is_revoked(error):
                    await self._on_revoked()
            await asyncio.sleep(max(self._backoff.next_s(), self._backoff.at_least_s(wait_s)))

    async def report_end(self) -> None:
        """Report once more, so that the controller knows how this agent ended.

        Over its own connection: that of before may be dead without our knowing. The answer
        to a Hello says that the report has arrived, and what is curtailed with it.
        """
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with self._session.ws_connect(self._url) as socket:
                await self._send_hello(socket, last=True)
                await socket.receive()

    async def _send_hello(
        self, socket: aiohttp.ClientWebSocketResponse, *, last: bool = False
    ) -> None:
        health = await self._health()
        hello = Hello(
            schema=SCHEMA_VERSION,
            agent=self._agent,
            health=health,
            last=last,
            curtailed=self._curtailed() if last else None,
        )
        await socket.send_str(msgspec.json.encode(hello).decode())

    async def _exchange(self) -> float:
        """Hold one conversation; return the seconds the controller asked to stay away."""
        async with self._session.ws_connect(
            self._url, heartbeat=HEARTBEAT_S, max_msg_size=MAX_PLAN_BYTES
        ) as socket:
            await self._send_hello(socket)
            loop = asyncio.get_running_loop()
            report_at = loop.time() + HEALTH_EVERY_S
            told: Curtailed | None = None
            while True:
                curtailed = self._curtailed()
                if curtailed is not None and curtailed != told:
                    await socket.send_str(msgspec.json.encode(curtailed).decode())
                    told = curtailed
                try:
                    async with asyncio.timeout_at(min(report_at, loop.time() + TELL_WITHIN_S)):
                        message = await socket.receive()
                except TimeoutError:
                    if loop.time() < report_at:
                        continue
                    report = HealthReport(health=await self._health())
                    await socket.send_str(msgspec.json.encode(report).decode())
                    report_at = loop.time() + HEALTH_EVERY_S
                    continue
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return 0.0
                wait_s = await self._handle(message.data)
                if wait_s:
                    return wait_s
                if self._report_now:
                    self._report_now, report_at = False, loop.time()

    async def _handle(self, data: str) -> float:
        """Act on one message; return how long to stay away, 0 to continue."""
        try:
            message = _DECODER.decode(data)
        except msgspec.MsgspecError as error:
            self._conditions.begin(
                "control",
                "error",
                Text(
                    f"The controller sent a message this agent cannot read ({error}); install the "
                    "same version on both.",
                    f"无法解析控制器发来的消息（{error}）；请在两端安装相同版本。",
                ),
            )
            return HEALTH_EVERY_S
        if isinstance(message, Refusal):
            if message.duplicate:
                self._claim.doubt()
            if message.copy:
                self._on_copied()
            self._conditions.begin("control", "error", message.text)
            return min(max(message.retry_s, 1.0), _LONGEST_REFUSAL_S)
        problem = None if self._gate is None else self._gate.problem(data, message)
        if problem is not None:
            self._conditions.begin("plan_refused", "error", problem)
            return 0.0
        self._conditions.end("plan_refused")
        if message.plan.agent != self._agent:
            self._conditions.begin("control", "error", _foreign(message.plan.agent, self._agent))
            return HEALTH_EVERY_S
        self._backoff.succeeded()
        self._claim.confirm(message.claim)
        self._conditions.end("control")
        _LOG.info(
            Text("Plan %d: %d streams.", "测量计划 %d：%d 条测量流。").pick(
                language_of_environment()
            ),
            message.plan.version,
            len(message.plan.streams),
        )
        keys = message.keys or None
        await self._on_plan(message.plan, keys)
        epoch = None if keys is None else keys.epoch
        # Others probe us under keys only once we have said that we answer to them.
        self._report_now, self._epoch = epoch not in (None, self._epoch), epoch
        return 0.0


def _foreign(plan_agent: str, agent: str) -> Text:
    return Text(
        f"The controller sent the plan of {plan_agent} to {agent}; check the agent's `name`.",
        f"控制器向 {agent} 下发了 {plan_agent} 的计划；请检查探针配置中的 name。",
    )
