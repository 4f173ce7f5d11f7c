"""The paths with their latest figures."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.paths import PathPage, path_documents


async def paths(request: web.Request) -> web.Response:
    """Return the paths in the order of the plan."""
    query, now = query_of(request, PageQuery), request.app[SERVICES].snapshots.now()
    page, cursor = page_of(range(len(now.scope.catalogue.paths)), query.limit, query.after)
    return json_answer(PathPage(items=path_documents(now, page), next=cursor))


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
