"""The targets, how many paths keep them, and whether their goals are reached."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.targets import TargetPage, target_document


async def targets(request: web.Request) -> web.Response:
    """Return the targets in the order of the site file."""
    query, now = query_of(request, PageQuery), request.app[SERVICES].snapshots.now()
    page, cursor = page_of(now.scope.network.targets, query.limit, query.after)
    items = [target_document(now, target) for target in page]
    return json_answer(TargetPage(items=items, next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/targets",
        handler=targets,
        role="viewer",
        summary="The targets with their verdicts and compliance.",
        answer=TargetPage,
        query=PageQuery,
    ),
)
