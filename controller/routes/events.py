"""The stream of events: something was judged anew."""

from __future__ import annotations

from aiohttp import WSMsgType, web

from controller.documents import VerdictsEvent
from controller.routing import PREFIX, STATE, NoQuery, Route, query_of

HEARTBEAT_S = 20.0


async def events(request: web.Request) -> web.StreamResponse:
    """Send an event for every round of judging, the latest one at once."""
    query_of(request, NoQuery)
    state = request.app[STATE]
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4096)
    await socket.prepare(request)
    state.sockets.add(socket)
    state.live.listeners.add(socket)
    try:
        await state.live.greet(socket)
        async for message in socket:  # nothing is expected; reading notices that they hung up
            if message.type is WSMsgType.BINARY:
                break
    finally:
        state.live.listeners.discard(socket)
        state.sockets.discard(socket)
    return socket


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/events",
        handler=events,
        role="viewer",
        summary="Events as they happen (WebSocket).",
        answer=VerdictsEvent,
        websocket=True,
        messages=(VerdictsEvent,),
    ),
)
