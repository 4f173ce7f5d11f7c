"""Once a request is admitted, its connection is no stranger's any more."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from controller.api.error_answers import ApiError, Handler
from controller.api.gate import IDENTITY
from controller.api.limits import caller_of
from controller.api.server.connections import MAX_OF_ONE, Connection, Connections
from foundation.text import Text

RETRY_S = 5


def places_of_callers(connections: Connections) -> Any:
    """Return the aiohttp middleware, behind the gate that knows who asks."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connections.of_transport(request.transport)
        if connection is not None:
            _asked(connections, connection, request)
        return await handler(request)

    return note


def _asked(connections: Connections, connection: Connection, request: web.Request) -> None:
    """Note that a request was admitted. Raises ApiError 429 beyond a credential's share."""
    if connection.timer is not None:
        connection.timer.cancel()
        connection.timer = None
    identity = request.get(IDENTITY)
    if connection.kind != "stranger" or identity is None:
        return
    if identity.kind == "agent":
        is_placed = connections.identify(connection, "agent", identity.name)
    else:
        is_placed = connections.identify(connection, "person", caller_of(request))
    if not is_placed:
        raise ApiError(
            429,
            "too_many_connections",
            Text(
                f"Too many connections: {MAX_OF_ONE} connections of one credential, or "
                "as many as the controller has in all; close some.",
                f"连接数已满：同一凭据最多 {MAX_OF_ONE} 个连接，或控制器可用的连接数已用尽；"
                "请先关闭部分连接。",
            ),
            retry_after_s=RETRY_S,
        )
