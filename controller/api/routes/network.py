"""The network that is measured: its sites, meshes, paths and streams."""

from __future__ import annotations

from aiohttp import web

from controller.api.http_answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS
from controller.documents.path_schema import PathPage, StreamPage
from controller.documents.paths import path_documents, stream_document
from controller.documents.places import MeshPage, SitePage, mesh_document, site_document
from controller.live.states import STATES


async def sites(request: web.Request) -> web.Response:
    """Return the sites in the order of the site file."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(list(now.scope.network.sites.values()), query.limit, query.after)
    states = now.agent_states()
    return json_answer(SitePage(items=[site_document(site, states) for site in page], next=cursor))


async def meshes(request: web.Request) -> web.Response:
    """Return the meshes in the order of the site file."""
    query, network = (
        query_of(request, PageQuery),
        request.app[READINGS].snapshots.now().scope.network,
    )
    page, cursor = page_of(network.meshes, query.limit, query.after)
    items = [mesh_document(network, mesh) for mesh in page]
    return json_answer(MeshPage(items=items, next=cursor))


async def paths(request: web.Request) -> web.Response:
    """Return the paths in the order of the plan."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(range(len(now.scope.catalogue.paths)), query.limit, query.after)
    return json_answer(PathPage(items=path_documents(now, page), next=cursor))


async def streams(request: web.Request) -> web.Response:
    """Return the streams in the order of the plan."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(range(len(now.scope.streams)), query.limit, query.after)
    states = now.states().streams
    items = [stream_document(now, row, STATES[states[row]]) for row in page]
    return json_answer(StreamPage(items=items, next=cursor))


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
    Route(
        method="GET",
        path=f"{PREFIX}/meshes",
        handler=meshes,
        role="viewer",
        summary="The meshes, and how much of each is measured.",
        answer=MeshPage,
        query=PageQuery,
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/paths",
        handler=paths,
        role="viewer",
        summary="The paths with distance, streams, state and latest figures.",
        answer=PathPage,
        query=PageQuery,
    ),
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
