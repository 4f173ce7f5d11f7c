"""The sites of the network."""

from __future__ import annotations

from aiohttp import web

from controller.answers import json_answer, page_of
from controller.documents import InterfaceDocument, SiteDocument, SitePage
from controller.routing import PREFIX, STATE, PageQuery, Route, query_of
from controller.state import ControllerState
from topology.model import Site


async def sites(request: web.Request) -> web.Response:
    """Return the sites in the order of the site file."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(list(state.network.sites.values()), query.limit, query.after)
    return json_answer(SitePage(items=[_document(state, site) for site in page], next=cursor))


def _document(state: ControllerState, site: Site) -> SiteDocument:
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
        agent_state="none" if site.external else state.fleet.state(site.name),
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
