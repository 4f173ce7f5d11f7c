"""The paths with their latest figures."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.documents.path_documents import path_documents
from controller.documents.paths import PathPage
from controller.state import STATE


async def paths(request: web.Request) -> web.Response:
    """Return the paths in the order of the plan."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(range(len(state.catalogue.paths)), query.limit, query.after)
    return json_answer(PathPage(items=path_documents(state, state.live.latest, page), next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/paths",
        handler=paths,
        role="viewer",
        summary="The paths with distance, streams, state and latest figures.",
        answer=PathPage,
        query=PageQuery,
    ),
)
