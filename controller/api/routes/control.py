"""The agents' control channel: Hello in, plan out, health reports in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from dataclasses import dataclass, field

import msgspec
from aiohttp import WSMsgType, web

from controller.api.error_answers import ApiError
from controller.api.gate import Gate
from controller.api.http_answers import open_socket
from controller.api.routing import PREFIX, Route
from controller.api.services import SERVICES, SOCKETS, Services
from controller.events.event_types import DuplicateRefused
from controller.ingest.ingest import unknown_agent
from controller.plans.channels import Channel
from foundation.json_document import decode_json
from foundation.text import Text, excerpt, plain_text
from messages.exchange import (
    SCHEMA_VERSION,
    ControlFromAgent,
    ControlFromController,
    Curtailed,
    Health,
    HealthReport,
    Hello,
    PlanPush,
    Refusal,
)

HEARTBEAT_S = 10.0
LOOK_S = 1.0  # how often is looked whether an agent's keys have changed
MAX_MESSAGE_BYTES = 8 << 20  # fifty thousand curtailed streams
REFUSED_RETRY_S = 60.0
ANOTHER_RETRY_S = 15.0
ASKED_RETRY_S = 3.0  # while it is not known whether another one still lives
FULL_RETRY_S = 15
HELLO_S = 10.0  # a channel on which no Hello came within this is closed
# An agent speaks every five seconds, and of everything it curtails when that changes.
BURST, TOKENS_A_SECOND, BYTES_A_TOKEN = 200.0, 4.0, 65_536

logger = logging.getLogger("isochrone.controller")


async def control(request: web.Request) -> web.StreamResponse:
    """Speak with one agent until either side hangs up."""
    services, name = request.app[SERVICES], request.match_info["name"]
    if name not in services.fleet:
        raise unknown_agent(name)
    if services.channels.is_full(name):
        raise ApiError(429, "too_many_channels", _full(name), retry_after_s=FULL_RETRY_S)
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, autoping=False
    )
    connection = _Connection(
        services, name, socket, Channel(_SocketLink(request, socket, services.gate))
    )
    with services.channels.opened(name, connection.channel):
        await open_socket(request, socket)
        request.app[SOCKETS].add(socket)
        try:
            await _exchange(connection)
        finally:
            request.app[SOCKETS].discard(socket)
    return socket


async def _exchange(connection: _Connection) -> None:
    socket, began_s = connection.socket, asyncio.get_running_loop().time()
    while connection.is_let_in():
        try:
            message = await socket.receive(LOOK_S)
        except TimeoutError:
            if connection.is_living():
                await _push(connection, wanted=False)
            elif asyncio.get_running_loop().time() - began_s > HELLO_S:
                return
            continue
        pong = bytes(message.data) if message.type is WSMsgType.PONG else None
        connection.services.channels.heard(connection.name, connection.channel, pong)
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is WSMsgType.TEXT:
            await asyncio.sleep(connection.pace.wait_s(len(message.data)))
            if not connection.is_let_in() or not await _handle(connection, message.data):
                return
        elif message.type is not WSMsgType.PONG:
            return


async def _handle(connection: _Connection, data: str) -> bool:
    """Take in one message; False where the channel must end."""
    services, name = connection.services, connection.name
    try:
        message: Hello | HealthReport | Curtailed = decode_json(data, ControlFromAgent)
    except msgspec.DecodeError as error:
        said = excerpt(str(error))
        text = Text(f"This is not a message of an agent: {said}.", f"无法识别的探针消息：{said}。")
        await _refuse(connection, text)
        return False
    problem = _problem_of(services, name, message)
    if problem is not None:
        await _refuse(connection, problem)
        return False
    if isinstance(message, Hello) and message.last:
        await _note_end(connection, message)
        return False
    if not await _has_claim(connection, message):
        return False
    if isinstance(message, Curtailed):
        _note_curtailed(services, name, message)
        return True
    services.fleet.heard(name, _plain(message.health))
    await services.distribution.outnumber(name, message.health.plan_version)
    epoch = message.health.stamp_epoch
    # What a Hello says may be of another life of ours, before a backup was restored.
    if isinstance(message, HealthReport) and isinstance(epoch, int):
        await asyncio.to_thread(services.stamp_keyring.note_holder, name, epoch)
    other = message.health.plan_version != services.distribution.plans[name].version
    await _push(connection, wanted=other or isinstance(message, Hello))
    return True


async def _has_claim(connection: _Connection, message: Hello | HealthReport | Curtailed) -> bool:
    """Whether the agent is the one of its name that is heard; a Hello asks for that."""
    services, name = connection.services, connection.name
    if not isinstance(message, Hello):
        if connection.is_living():
            return True
        await _refuse(connection, Text("An agent must send Hello first.", "探针须先发送 Hello。"))
        return False
    boot, up_ns = message.health.boot, message.health.sent_ns - message.health.started_ns
    claimed = await services.channels.claim(name, connection.channel, boot, up_ns)
    if claimed is None:
        await _end(connection, Refusal(text=_asked(name), duplicate=True, retry_s=ASKED_RETRY_S))
        return False
    if claimed.beside:
        refused = not claimed.is_heard
        heard, other = (claimed.beside, boot) if refused else (boot, claimed.beside)
        await services.duplicates.note(name, heard, other, refused=refused)
    if claimed.is_heard:
        return True
    if services.channels.is_news(name, boot):
        logger.warning("another agent runs as %s (boot %s): it is refused", name, boot)
        services.bus.publish([DuplicateRefused(at_ns=services.clock.wall_ns(), agent=name)])
    refusal = Refusal(
        text=_second(name),
        duplicate=True,
        copy=claimed.beside == boot,
        retry_s=ANOTHER_RETRY_S,
    )
    await _end(connection, refusal)
    return False


async def _note_end(connection: _Connection, message: Hello) -> None:
    """Hear how an agent ended, over whatever connection, and answer that it has arrived."""
    living = connection.services.channels.living(connection.name)
    if living is None or living.boot == message.health.boot:
        connection.services.fleet.heard(connection.name, _plain(message.health))
        if message.curtailed is not None:
            _note_curtailed(connection.services, connection.name, message.curtailed)
    with contextlib.suppress(ConnectionError):
        await connection.socket.send_str(connection.services.distribution.message(connection.name))


async def _push(connection: _Connection, *, wanted: bool) -> None:
    """Push the plan and its keys if they are wanted, or are not those told last."""
    told, generation = connection.told, connection.services.stamp_keyring.generation
    fresh = told.generation in (None, generation) and told.claim in (None, connection.channel.claim)
    if not connection.is_let_in() or (fresh and not wanted):
        return
    told.generation, told.claim = generation, connection.channel.claim
    push = connection.services.distribution.message(connection.name)
    digest = hashlib.sha256(push.encode()).digest()
    if wanted or told.digest != digest:
        told.digest = digest
        with contextlib.suppress(ConnectionError):  # it is gone; the next reading says so
            await connection.socket.send_str(push)


@dataclass(slots=True)
class _LastPush:
    """What an agent was pushed last on this channel: a digest, of which generation of keys, and the
    claim beside it."""

    generation: int | None = None
    claim: str | None = None
    digest: bytes = b""


@dataclass(slots=True)
class _MessageRate:
    """How fast an agent may speak: one that says more is read more slowly."""

    tokens: float = BURST
    then_s: float | None = None

    def wait_s(self, message_bytes: int) -> float:
        """Take what a message costs; return how long its sender has to wait for that."""
        now_s = asyncio.get_running_loop().time()
        passed_s = 0.0 if self.then_s is None else now_s - self.then_s
        self.tokens = min(BURST, self.tokens + passed_s * TOKENS_A_SECOND)
        self.then_s = now_s
        self.tokens -= 1 + message_bytes / BYTES_A_TOKEN
        return max(0.0, -self.tokens / TOKENS_A_SECOND)


@dataclass(frozen=True, slots=True)
class _SocketLink:
    """The WebSocket that a channel is open over."""

    request: web.Request
    socket: web.WebSocketResponse
    gate: Gate

    async def send(self, message: str) -> None:
        """Send a message to the agent."""
        await self.socket.send_str(message)

    async def ping(self, data: bytes) -> None:
        """Ask whether the other end is there."""
        await self.socket.ping(data)

    def cut(self) -> None:
        """End the connection without waiting for the other end."""
        if self.request.transport is not None:
            self.request.transport.abort()

    def is_let_in(self) -> bool:
        """Whether the credential that the connection came with still counts."""
        return self.gate.stands(self.request)


@dataclass(slots=True)
class _Connection:
    """One conversation."""

    services: Services
    name: str
    socket: web.WebSocketResponse
    channel: Channel
    told: _LastPush = field(default_factory=_LastPush)
    pace: _MessageRate = field(default_factory=_MessageRate)

    def is_living(self) -> bool:
        """Whether this is the channel on which the agent is heard."""
        return self.services.channels.living(self.name) is self.channel

    def is_let_in(self) -> bool:
        """Whether the credential of this connection still counts."""
        return self.channel.link.is_let_in()


def _problem_of(
    services: Services, name: str, message: Hello | HealthReport | Curtailed
) -> Text | None:
    """Return what is wrong with a message that is one by its form, None where nothing is."""
    if isinstance(message, Curtailed):
        return _foreign_streams(services, name, message)
    if not isinstance(message, Hello):
        return None
    if message.agent != name:
        return Text(
            f"The message names {message.agent}, but this is the channel of a different agent, "
            f"{name}.",
            f"在 {name} 的通道上自称 {message.agent}。",
        )
    if message.schema != SCHEMA_VERSION:
        return Text(
            f"This controller speaks schema {SCHEMA_VERSION}, the agent {message.schema}; install "
            "the same version on both.",
            f"控制器使用的协议版本为 {SCHEMA_VERSION}，探针为 {message.schema}；请安装相同版本。",
        )
    return (
        None if message.curtailed is None else _foreign_streams(services, name, message.curtailed)
    )


def _foreign_streams(services: Services, name: str, message: Curtailed) -> Text | None:
    foreign = services.ingest.foreign(name, [one.stream_id for one in message.streams])
    if not foreign:
        return None
    return Text(
        f"{len(foreign)} of the streams you curtail were never planned for {name}.",
        f"所声明受限的测量流中有 {len(foreign)} 条从未分配给 {name}。",
    )


def _note_curtailed(services: Services, name: str, message: Curtailed) -> None:
    message = _of_the_plan(services, name, message)
    services.fleet.curtailed(name, message)
    _note_silences(services, name, message)


def _note_silences(services: Services, name: str, message: Curtailed) -> None:
    """Keep whom an agent does not answer, and judge no window of that time, also of the past."""
    now_ns = services.clock.wall_ns()
    changed = services.silences.heard(name, message, now_ns, services.fleet.ahead_ns(name))
    if not changed:
        return
    services.store.silences.put(changed)
    services.rounds.memory.leave_out(
        [
            (
                services.silences.now.rows_of(one),
                one.from_ns,
                now_ns if one.to_ns is None else one.to_ns,
            )
            for one in changed
            if one.side == "answering"
        ]
    )


def _of_the_plan(services: Services, name: str, message: Curtailed) -> Curtailed:
    """Return what a message says of streams that are planned now: an older plan's are over."""
    planned = {spec.stream_id for spec in services.distribution.plans[name].streams}
    mine = tuple(one for one in message.streams if one.stream_id in planned)
    return msgspec.structs.replace(message, streams=mine)


def _plain(health: Health) -> Health:
    """Return a report whose sentences may be shown anywhere."""
    conditions = tuple(
        msgspec.structs.replace(one, text=plain_text(one.text)) for one in health.conditions
    )
    return msgspec.structs.replace(health, conditions=conditions)


async def _refuse(connection: _Connection, text: Text) -> None:
    """Tell an agent why it is not heard, and end the channel."""
    logger.warning("%s is refused on its control channel: %s", connection.name, text.en)
    connection.services.fleet.refused[connection.name] += 1
    await _end(connection, Refusal(text=text, retry_s=REFUSED_RETRY_S))


async def _end(connection: _Connection, refusal: Refusal) -> None:
    socket = connection.socket
    with contextlib.suppress(ConnectionError):
        await socket.send_str(msgspec.json.encode(refusal).decode())
    await socket.close()


def _second(name: str) -> Text:
    return Text(
        f"Another agent named {name} is connected with the same certificate: one of the two is a "
        f"copy of a machine or of its state directory. Stop it, or give it its own name and token.",
        f"另一个名为 {name} 的探针正在运行，且使用同一证书：可能克隆了机器或其状态目录。"
        "请停止其中一个，并为其配置单独的名称和令牌。",
    )


def _asked(name: str) -> Text:
    return Text(
        f"An agent named {name} was connected a moment ago; it is not known yet whether it still "
        f"runs.",
        f"刚才有名为 {name} 的探针在线；尚未确认其是否仍在运行。",
    )


def _full(name: str) -> Text:
    return Text(
        f"{name} has as many control channels open as an agent may have.",
        f"{name} 打开的控制通道数已达上限。",
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/agents/{{name}}/control",
        handler=control,
        role="agent",
        summary="An agent's control channel (WebSocket).",
        answer=ControlFromController,
        websocket=True,
        messages=(Hello, HealthReport, Curtailed, PlanPush, Refusal),
        errors=(404, 429),
    ),
)
