"""The sites of the network."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.documents.places import InterfaceDocument, SiteDocument, SitePage
from controller.fleet.agents import AgentState
from controller.state import STATE
from topology.model import Site


async def sites(request: web.Request) -> web.Response:
    """Return the sites in the order of the site file."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(list(state.network.sites.values()), query.limit, query.after)
    states = state.snapshot().agent_states()
    return json_answer(SitePage(items=[_document(site, states) for site in page], next=cursor))


def _document(site: Site, states: Mapping[str, AgentState]) -> SiteDocument:
    return SiteDocument(
        name=site.name,
        title=site.title,
        latitude_deg=site.latitude_deg,
        longitude_deg=site.longitude_deg,
        city=site.city,
        metro=site.metro,
        province=site.province,
        hub=site.hub,
        roles=sorted(site.roles),
        important=site.important,
        external=site.external,
        labels=sorted(site.labels),
        interfaces=[
            InterfaceDocument(
                id=interface.id,
                carrier=interface.carrier,
                address=interface.address,
                ip_version=interface.ip_version,
            )
            for interface in site.interfaces
        ],
        agent_state=states.get(site.name, "none"),
        inventory=dict(site.inventory),
    )


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
