"""Events: as they happen, as they were logged, and the states they led to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import Annotated, get_args

import msgspec
import numpy as np
from aiohttp import WSMsgType, web

from controller.api.error_answers import ApiError
from controller.api.event_stream import (
    MAX_LISTENERS,
    MAX_OF_ONE,
    CutOffError,
    EventStream,
    Listener,
    event_document,
    messages_of,
)
from controller.api.http_answers import json_answer, open_socket, read_cursor, write_cursor
from controller.api.limits import caller_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS, SERVICES, SOCKETS
from controller.documents.events import (
    EventPage,
    EventsMessage,
    StateDocument,
    StatePage,
    VerdictsEvent,
)
from controller.live.archive import Archive
from controller.live.states import STATES
from controller.live.watch import Logged
from controller.store.event_log import EventKind, SubjectKind
from foundation.number_types import Instant
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
    query, readings = query_of(request, StreamQuery), request.app[READINGS]
    stream = request.app[SERVICES].stream
    caller = caller_of(request)
    _refuse_more(stream, caller)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4096)
    named = () if query.kinds is None else query.kinds.split(",")

    def hang_up() -> None:
        stream.cut_off += 1
        if request.transport is not None:
            request.transport.abort()  # an orderly end would wait for the same reader

    listener = Listener([kind for kind in get_args(EventKind) if kind in named], hang_up, caller)
    listener.announce(readings.snapshots.now().round.revision)
    stream.listeners.add(listener)  # before anything is awaited: those that come at once count
    request.app[SOCKETS].add(socket)
    try:
        await open_socket(request, socket)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(
                _send(readings.archive, socket, listener, query.after_id), name="events"
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
            f"{MAX_LISTENERS} listeners are connected already; try again later, or query the "
            f"event log.",
            f"事件流的监听者已达 {MAX_LISTENERS} 个；请稍后重试，或改查事件日志。",
        )
    elif stream.of_caller(caller) >= MAX_OF_ONE:
        text = Text(
            f"{MAX_OF_ONE} listeners use this credential already; close one, or query the event "
            f"log.",
            f"使用该凭据的监听者已达 {MAX_OF_ONE} 个；请关闭其中一个，或改查事件日志。",
        )
    else:
        return
    raise ApiError(429, "too_many_listeners", text, retry_after_s=RETRY_S)


async def _send(
    archive: Archive,
    socket: web.WebSocketResponse,
    listener: Listener,
    after_id: int | None,
) -> None:
    """Send what waits for the listener until it hangs up, or cut it off where it does not read."""
    try:
        last_id = 0
        if after_id is not None and listener.kinds:
            last_id = await _replay(archive, socket, listener, after_id)
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
    archive: Archive, socket: web.WebSocketResponse, listener: Listener, after_id: int
) -> int:
    """Send what the log holds after an id; the id up to which it was sent."""
    kinds = sorted(listener.kinds)
    while True:
        page = await asyncio.to_thread(
            archive.events, kinds=kinds, after_id=after_id, limit=REPLAY_ITEMS
        )
        for _, _, message in messages_of(page):
            async with asyncio.timeout(SEND_LIMIT_S):
                await socket.send_str(message)
        if page:
            after_id = page[-1].id
        if len(page) < REPLAY_ITEMS:
            return after_id


_NEWEST = (1 << 62) - 1


class EventQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    kind: Annotated[EventKind | None, msgspec.Meta(description="Of one kind.")] = None
    subject: Annotated[
        str | None, msgspec.Meta(description="Of one agent, path, stream, maintenance or campaign.")
    ] = None
    target: Annotated[str | None, msgspec.Meta(description="Verdicts of one target.")] = None
    state: Annotated[
        str | None, msgspec.Meta(description="That led to this state, verdict or phase.")
    ] = None
    from_ns: Annotated[Instant | None, msgspec.Meta(description="At or after this time.")] = None
    to_ns: Annotated[Instant | None, msgspec.Meta(description="Before this time.")] = None


class StateQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which states."""

    kind: Annotated[SubjectKind | None, msgspec.Meta(description="Of one kind.")] = None
    state: Annotated[str | None, msgspec.Meta(description="In this state alone.")] = None


async def event_log(request: web.Request) -> web.Response:
    """Return events, newest first; subjects of earlier site files may be requested."""
    query, archive = query_of(request, EventQuery), request.app[READINGS].archive
    read = functools.partial(
        archive.events,
        kinds=() if query.kind is None else (query.kind,),
        subject=query.subject,
        target=query.target,
        state=query.state,
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        before_id=read_cursor(query.after, "e", _NEWEST),
        limit=query.limit + 1,
    )
    found = await asyncio.to_thread(read)
    page, more = found[: query.limit], len(found) > query.limit
    cursor = write_cursor("e", page[-1].id) if more else None
    return json_answer(EventPage(items=[event_document(event) for event in page], next=cursor))


async def states(request: web.Request) -> web.Response:
    """Return how everything stands as the last round logged it."""
    query, now = query_of(request, StateQuery), request.app[READINGS].snapshots.now()
    code = STATES.index(query.state) if query.state in STATES else None
    first = read_cursor(query.after, "s", 0)
    items: list[StateDocument] = []
    passed = 0  # a cursor is a place among all subjects: whoever changes state moves no other
    for kind, watch in now.logged.items():
        if query.kind in (None, kind):
            wanted = watch.shown >= 0
            if query.state is not None:
                wanted &= watch.shown == code
            rows = np.flatnonzero(wanted)
            rows = rows[rows >= first - passed][: query.limit + 1 - len(items)]
            items += [_state(kind, watch, row) for row in rows.tolist()]
            if len(items) > query.limit:
                cursor = write_cursor("s", passed + int(rows[-1]))
                return json_answer(
                    StatePage(looked_ns=now.looked_ns, items=items[:-1], next=cursor)
                )
        passed += len(watch.subjects)
    return json_answer(StatePage(looked_ns=now.looked_ns, items=items, next=None))


def _state(kind: SubjectKind, watch: Logged, row: int) -> StateDocument:
    return StateDocument(
        kind=kind,
        subject=watch.subjects[row],
        state=STATES[watch.shown[row]],
        since_ns=int(watch.since_ns[row]),
    )


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
    Route(
        method="GET",
        path=f"{PREFIX}/event-log",
        handler=event_log,
        role="viewer",
        summary="Every change of a state, a verdict, a maintenance or a campaign, newest first.",
        answer=EventPage,
        query=EventQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/states",
        handler=states,
        role="viewer",
        summary="How agents, paths and streams stand, and since when.",
        answer=StatePage,
        query=StateQuery,
    ),
)
