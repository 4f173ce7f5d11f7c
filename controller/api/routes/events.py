"""The stream of events: something was judged anew, something changed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, get_args

import msgspec
from aiohttp import WSMsgType, web

from controller.api.answers import open_socket
from controller.api.errors import ApiError
from controller.api.event_stream import (
    MAX_LISTENERS,
    MAX_OF_ONE,
    CutOffError,
    EventStream,
    Listener,
    messages_of,
)
from controller.api.limits import caller_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES, SOCKETS, Services
from controller.documents.events import EventsMessage, VerdictsEvent
from controller.store.event_log import EventKind
from foundation.numbers import Instant
from foundation.text import Text

HEARTBEAT_S = 20.0
SEND_LIMIT_S = 10.0  # a message that cannot be sent within this ends the connection
REPLAY_ITEMS = 1000
RETRY_S = 30
_KIND = f"({'|'.join(get_args(EventKind))})"


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events to hear besides the rounds of judging."""

    kinds: Annotated[
        Annotated[str, msgspec.Meta(pattern=f"^{_KIND}(,{_KIND})*$")] | None,
        msgspec.Meta(description="Kinds of the event log, joined by commas; none without."),
    ] = None
    after_id: Annotated[
        Instant | None, msgspec.Meta(description="First what the log has after this id.")
    ] = None


async def events(request: web.Request) -> web.StreamResponse:
    """Send an event for every round of judging, the latest one at once, and the kinds asked for."""
    query, services = query_of(request, StreamQuery), request.app[SERVICES]
    stream = services.stream
    caller = caller_of(request)
    _refuse_more(stream, caller)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4096)
    named = () if query.kinds is None else query.kinds.split(",")

    def hang_up() -> None:
        stream.cut_off += 1
        if request.transport is not None:
            request.transport.abort()  # an orderly end would wait for the same reader

    listener = Listener([kind for kind in get_args(EventKind) if kind in named], hang_up, caller)
    listener.announce(services.rounds.live.latest.revision)
    stream.listeners.add(listener)  # before anything is awaited: those that come at once count
    request.app[SOCKETS].add(socket)
    try:
        await open_socket(request, socket)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(
                _send(services, socket, listener, query.after_id), name="events"
            )
            async for message in socket:  # nothing is expected; reading notices that they hung up
                if message.type is WSMsgType.BINARY:
                    break
            sending.cancel()
    finally:
        stream.listeners.discard(listener)
        request.app[SOCKETS].discard(socket)
    return socket


def _refuse_more(stream: EventStream, caller: str) -> None:
    """Raise ApiError 429 where a credential, or all of them, have as many listeners as they may."""
    if len(stream.listeners) >= MAX_LISTENERS:
        text = Text(
            f"{MAX_LISTENERS} listeners are there already; try again later, or ask the event log.",
            f"事件流的监听者已达 {MAX_LISTENERS} 个；请稍后重试，或改查事件日志。",
        )
    elif stream.of_caller(caller) >= MAX_OF_ONE:
        text = Text(
            f"{MAX_OF_ONE} listeners use this credential already; close one, or ask the event log.",
            f"使用该凭据的监听者已达 {MAX_OF_ONE} 个；请关闭其中一个，或改查事件日志。",
        )
    else:
        return
    raise ApiError(429, "too_many_listeners", text, retry_after_s=RETRY_S)


async def _send(
    services: Services,
    socket: web.WebSocketResponse,
    listener: Listener,
    after_id: int | None,
) -> None:
    """Send what waits for the listener until it hangs up, or cut it off where it does not read."""
    try:
        last_id = 0
        if after_id is not None and listener.kinds:
            last_id = await _replay(services, socket, listener, after_id)
        while True:
            message = await listener.wait_message(last_id)
            async with asyncio.timeout(SEND_LIMIT_S):
                await socket.send_str(message)
    except (CutOffError, TimeoutError):
        listener.cut()
    except (ConnectionError, RuntimeError):
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.close()


async def _replay(
    services: Services, socket: web.WebSocketResponse, listener: Listener, after_id: int
) -> int:
    """Send what the log holds after an id; the id up to which it was sent."""
    kinds = sorted(listener.kinds)
    while True:
        page = await asyncio.to_thread(
            services.store.event_log.events, kinds=kinds, after_id=after_id, limit=REPLAY_ITEMS
        )
        for _, _, message in messages_of(page):
            async with asyncio.timeout(SEND_LIMIT_S):
                await socket.send_str(message)
        if page:
            after_id = page[-1].id
        if len(page) < REPLAY_ITEMS:
            return after_id


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/events",
        handler=events,
        role="viewer",
        summary="Events as they happen (WebSocket).",
        answer=VerdictsEvent,
        query=StreamQuery,
        websocket=True,
        messages=(VerdictsEvent, EventsMessage),
        errors=(429,),
    ),
)
