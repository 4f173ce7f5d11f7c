"""The sites of the network."""

from __future__ import annotations

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.places import SitePage, site_document


async def sites(request: web.Request) -> web.Response:
    """Return the sites in the order of the site file."""
    query, now = query_of(request, PageQuery), request.app[SERVICES].snapshots.now()
    page, cursor = page_of(list(now.scope.network.sites.values()), query.limit, query.after)
    states = now.agent_states()
    return json_answer(SitePage(items=[site_document(site, states) for site in page], next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/sites",
        handler=sites,
        role="viewer",
        summary="The sites of the network.",
        answer=SitePage,
        query=PageQuery,
    ),
)
