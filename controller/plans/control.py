"""The agents' control channel: Hello in, plan out, health reports in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from dataclasses import dataclass

import msgspec
from aiohttp import WSMsgType, web

from controller.api.routing import PREFIX, Route
from controller.ingest import unknown_agent
from controller.plans.push import outnumber, push_of
from controller.state import STATE, ControllerState
from probes.exchange import (
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
from probes.text import Text, excerpt, plain_text

HEARTBEAT_S = 10.0
LOOK_S = 1.0  # how often is looked whether an agent's keys have changed
MAX_MESSAGE_BYTES = 8 << 20  # fifty thousand curtailed streams
REFUSED_RETRY_S = 60.0

logger = logging.getLogger("isochrone.controller")
_decoder = msgspec.json.Decoder(ControlFromAgent)


async def control(request: web.Request) -> web.StreamResponse:
    """Speak with one agent until either side hangs up."""
    state, name = request.app[STATE], request.match_info["name"]
    if name not in state.fleet:
        raise unknown_agent(name)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    state.sockets.add(socket)
    told = _Told()
    try:
        while True:
            try:
                message = await socket.receive(LOOK_S)
            except TimeoutError:
                await _push(state, name, socket, told, wanted=False)
                continue
            if message.type is not WSMsgType.TEXT:
                break
            if not await _hear(state, name, socket, message.data, told):
                break
    finally:
        state.sockets.discard(socket)
        if state.channels.get(name) is socket:
            del state.channels[name]
    return socket


async def _hear(
    state: ControllerState, name: str, socket: web.WebSocketResponse, data: str, told: _Told
) -> bool:
    """Take in one message; False where the agent was refused and the channel must end."""
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        said = excerpt(str(error))
        text = Text(f"This is no message of an agent: {said}.", f"无法识别的探针消息：{said}。")
        await _refuse(state, name, socket, text)
        return False
    problem = _problem_of(state, name, message)
    if problem is not None:
        await _refuse(state, name, socket, problem)
        return False
    if isinstance(message, Curtailed):
        message = _of_the_plan(state, name, message)
        state.fleet.curtailed(name, message)
        _note_silences(state, name, message)
        return True
    state.channels[name] = socket
    state.fleet.heard(name, _plain(message.health))
    await outnumber(state, name, message.health.plan_version)
    epoch = message.health.stamp_epoch
    # What a Hello says may be of another life of ours, before a backup was restored.
    if isinstance(message, HealthReport) and isinstance(epoch, int):
        await asyncio.to_thread(state.stamp.note_holder, name, epoch)
    other = message.health.plan_version != state.plans[name].version
    await _push(state, name, socket, told, wanted=other or isinstance(message, Hello))
    return True


async def _push(
    state: ControllerState, name: str, socket: web.WebSocketResponse, told: _Told, *, wanted: bool
) -> None:
    """Push the plan and its keys if they are wanted, or if the keys are not those told last."""
    if not wanted and told.generation in (None, state.stamp.generation):
        return
    told.generation, push = state.stamp.generation, push_of(state, name)
    digest = hashlib.sha256(push.encode()).digest()
    if wanted or told.digest != digest:
        told.digest = digest
        with contextlib.suppress(ConnectionError):  # it is gone; the next reading says so
            await socket.send_str(push)


@dataclass(slots=True)
class _Told:
    """What an agent was pushed last on this channel: a digest, and of which generation of keys."""

    generation: int | None = None
    digest: bytes = b""


def _problem_of(
    state: ControllerState, name: str, message: Hello | HealthReport | Curtailed
) -> Text | None:
    """Return what is wrong with a message that is one by its form, None where nothing is."""
    if isinstance(message, Curtailed):
        foreign = state.ingest.foreign(name, [one.stream_id for one in message.streams])
        if not foreign:
            return None
        return Text(
            f"{len(foreign)} of the streams you curtail were never planned for {name}.",
            f"所声明受限的测量流中有 {len(foreign)} 条从未分配给 {name}。",
        )
    if not isinstance(message, Hello):
        return None
    if message.agent != name:
        return Text(
            f"You call yourself {message.agent} on the channel of {name}.",
            f"在 {name} 的通道上自称 {message.agent}。",
        )
    if message.schema != SCHEMA_VERSION:
        return Text(
            f"This controller speaks schema {SCHEMA_VERSION}, the agent {message.schema}; install "
            "the same version on both.",
            f"控制器使用的协议版本为 {SCHEMA_VERSION}，探针为 {message.schema}；请安装相同版本。",
        )
    return None


def _note_silences(state: ControllerState, name: str, message: Curtailed) -> None:
    """Keep whom an agent does not answer, and judge no window of that time, also of the past."""
    now_ns = state.clock.wall_ns()
    changed = state.silences.heard(name, message, now_ns, state.fleet.ahead_ns(name))
    if not changed:
        return
    state.store.silences.put(changed)
    for record in changed:
        if record.side == "answering":
            end_ns = now_ns if record.to_ns is None else record.to_ns
            state.memory.leave_out(state.silences.rows_of(record), record.from_ns, end_ns)


def _of_the_plan(state: ControllerState, name: str, message: Curtailed) -> Curtailed:
    """Return what a message says of streams that are planned now: an older plan's are over."""
    planned = {spec.stream_id for spec in state.plans[name].streams}
    mine = tuple(one for one in message.streams if one.stream_id in planned)
    return msgspec.structs.replace(message, streams=mine)


def _plain(health: Health) -> Health:
    """Return a report whose sentences may be shown anywhere."""
    conditions = tuple(
        msgspec.structs.replace(one, text=plain_text(one.text)) for one in health.conditions
    )
    return msgspec.structs.replace(health, conditions=conditions)


async def _refuse(
    state: ControllerState, name: str, socket: web.WebSocketResponse, text: Text
) -> None:
    """Tell an agent why it is not heard, and end the channel."""
    logger.warning("%s is refused on its control channel: %s", name, text.en)
    state.fleet.refused[name] += 1
    refusal = Refusal(text=text, retry_s=REFUSED_RETRY_S)
    with contextlib.suppress(ConnectionError):
        await socket.send_str(msgspec.json.encode(refusal).decode())
    await socket.close()


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
        errors=(404,),
    ),
)
