"""The meshes: who is measured against whom, and how much of it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from topology.mesh import Coverage, coverage_of


class MeshDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A mesh of the site file; pairs of sites without direction. `peers` null: all are measured."""

    name: str
    kind: str
    peers: int | None
    pairs: int
    measured_pairs: int
    coverage_ratio: float | None


class MeshPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of meshes."""

    items: list[MeshDocument]
    next: str | None = None


async def meshes(request: web.Request) -> web.Response:
    """Return the meshes in the order of the site file."""
    query, network = query_of(request, PageQuery), request.app[SERVICES].rounds.scope.network
    page, cursor = page_of(network.meshes, query.limit, query.after)
    items = [_document(coverage_of(network, mesh)) for mesh in page]
    return json_answer(MeshPage(items=items, next=cursor))


def _document(coverage: Coverage) -> MeshDocument:
    return MeshDocument(
        name=coverage.mesh.name,
        kind=coverage.mesh.kind,
        peers=coverage.mesh.peers,
        pairs=coverage.possible,
        measured_pairs=coverage.measured,
        coverage_ratio=coverage.ratio,
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/meshes",
        handler=meshes,
        role="viewer",
        summary="The meshes, and how much of each is measured.",
        answer=MeshPage,
        query=PageQuery,
    ),
)
