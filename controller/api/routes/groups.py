"""Groups of targets with one compliance rate over pairs of sites."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.targets import GroupPage, group_document


async def groups(request: web.Request) -> web.Response:
    """Return the groups in the order of the targets."""
    query, now = query_of(request, PageQuery), request.app[SERVICES].snapshots.now()
    page, cursor = page_of(now.scope.groups, query.limit, query.after)
    return json_answer(GroupPage(items=[group_document(now, group) for group in page], next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/groups",
        handler=groups,
        role="viewer",
        summary="Targets that share one compliance rate over pairs of sites.",
        answer=GroupPage,
        query=PageQuery,
    ),
)
