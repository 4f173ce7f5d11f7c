"""How much one caller may ask, have worked on at once, and hold open.

A bucket of tokens for each, filled at a steady rate. What reads the store takes a thread, and there
are few, so that one caller's slow reads would keep all others, and health, from theirs. Once a
request is admitted, its connection is no stranger's any more, and counts among its caller's.

Health and what agents deliver are not limited here: a monitor must always get its answer, and
ingest has its own backpressure.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from controller.api.error_answers import ApiError, Handler
from controller.api.gate import IDENTITY
from controller.api.server.connections import MAX_OF_ONE, Connection, Connections
from foundation.text import Text
from foundation.token_buckets import Buckets

CONNECTIONS_RETRY_S = 5
AT_ONCE = 3  # requests of one caller that are worked on; the others wait for their turn


def caller_of(request: web.Request) -> str:
    """Return who asks: one credential, or an address where none was shown."""
    identity = request.get(IDENTITY)
    return f"{identity} {identity.credential}" if identity else f"from {request.remote}"


class RunningByCaller(Counter[str]):
    """How much of something runs now, by caller; those of nobody are forgotten."""

    @contextlib.contextmanager
    def one_more(self, caller: str) -> Iterator[None]:
        """Count one of a caller while the block lasts."""
        self[caller] += 1
        try:
            yield
        finally:
            self[caller] -= 1
            if not self[caller]:
                del self[caller]


class Limits:
    """The middleware, behind the gate that knows who asks."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._free: set[web.AbstractRoute] = set()
        self._lasting: set[web.AbstractRoute] = set()
        # Of a caller who waits for nothing any more nothing is kept.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Semaphore] = (
            weakref.WeakValueDictionary()
        )

    def exempt(self, served: web.AbstractRoute) -> None:
        """Do not limit this route."""
        self._free.add(served)

    def lasts(self, served: web.AbstractRoute) -> None:
        """Let this route, which continues while its answer is read, take nobody's turn."""
        self._lasting.add(served)

    @property
    def middleware(self) -> Callable[..., Any]:
        """The aiohttp middleware."""

        @web.middleware
        async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = request.match_info.route
            if route in self._free:
                return await handler(request)
            self._check(request)
            if route in self._lasting:
                return await handler(request)
            async with self._turns.setdefault(caller_of(request), asyncio.Semaphore(AT_ONCE)):
                return await handler(request)

        return limit

    def _check(self, request: web.Request) -> None:
        wait_s = self._buckets.wait_s(caller_of(request))
        if wait_s > 0:
            raise ApiError(
                429,
                "too_many_requests",
                Text(
                    f"Too many requests; try again in {math.ceil(wait_s)} s.",
                    f"请求过于频繁，请 {math.ceil(wait_s)} 秒后重试。",
                ),
                retry_after_s=math.ceil(wait_s),
            )


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
            retry_after_s=CONNECTIONS_RETRY_S,
        )
