"""The series of windows of one path, read from the store."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_answer, read_cursor, write_cursor
from controller.api.errors import ApiError
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES, Services
from controller.documents.windows import WindowPage, window_documents
from controller.documents.words import Protocol
from controller.store.interface import StreamRecord
from foundation.numbers import Instant
from foundation.text import Text

DEFAULT_SPAN_NS = 3_600_000_000_000


class WindowQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which windows; without times those of the last hour."""

    path: Annotated[str, msgspec.Meta(description="Of this path.")]
    protocol: Annotated[Protocol | None, msgspec.Meta(description="Of this protocol alone.")] = None
    from_ns: Annotated[Instant | None, msgspec.Meta(description="First start, included.")] = None
    to_ns: Annotated[Instant | None, msgspec.Meta(description="Last start, excluded.")] = None


async def windows(request: web.Request) -> web.Response:
    """Return the windows of one path, oldest first."""
    query, services = query_of(request, WindowQuery), request.app[SERVICES]
    wanted = records_of(services, query.path, query.protocol)
    to_ns = query.to_ns if query.to_ns is not None else services.clock.wall_ns() + 1
    from_ns = query.from_ns if query.from_ns is not None else max(0, to_ns - DEFAULT_SPAN_NS)
    from_ns = read_cursor(query.after, "w", from_ns)
    items, next_ns = await asyncio.to_thread(
        window_documents, services.store, wanted, from_ns, to_ns, query.limit
    )
    cursor = None if next_ns is None else write_cursor("w", next_ns)
    return json_answer(WindowPage(items=items, next=cursor))


def records_of(services: Services, path: str, protocol: Protocol | None) -> list[StreamRecord]:
    """Return every stream ever planned on a path. Raises ApiError for one that never was."""
    recorded = services.rounds.scope.catalogue.recorded.get(path)
    if recorded is None:
        text = Text(f"There is no path named {path}.", f"没有名为 {path} 的路径。")
        raise ApiError(404, "unknown_path", text, path=path)
    return [record for record in recorded if protocol in (None, record.protocol)]


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/windows",
        handler=windows,
        role="viewer",
        summary="The series of windows of one path.",
        answer=WindowPage,
        query=WindowQuery,
        errors=(404, 503),
    ),
)
