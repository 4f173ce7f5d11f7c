"""The planned streams."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.paths import StreamPage, stream_document
from controller.live.states import STATES


async def streams(request: web.Request) -> web.Response:
    """Return the streams in the order of the plan."""
    query, now = query_of(request, PageQuery), request.app[SERVICES].snapshots.now()
    page, cursor = page_of(range(len(now.scope.streams)), query.limit, query.after)
    states = now.states().streams
    items = [stream_document(now, row, STATES[states[row]]) for row in page]
    return json_answer(StreamPage(items=items, next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/streams",
        handler=streams,
        role="viewer",
        summary="The planned streams.",
        answer=StreamPage,
        query=PageQuery,
    ),
)
