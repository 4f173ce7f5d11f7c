"""The site × site matrix of worst verdicts."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_bytes
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES
from controller.documents.matrix import MatrixDocument


class MatrixQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which matrix."""

    target: Annotated[
        str | None, msgspec.Meta(description="Of one target; else of all of them.")
    ] = None


async def matrix(request: web.Request) -> web.Response:
    """Return the matrix of the latest round."""
    query, services = query_of(request, MatrixQuery), request.app[SERVICES]
    now = services.snapshots.now()
    if query.target is not None:
        number_of(now.scope.catalogue.target_number, query.target, "target")
    return json_bytes(await asyncio.to_thread(services.matrices.body, now, query.target))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/matrix",
        handler=matrix,
        role="viewer",
        summary="The worst verdict between every two sites.",
        answer=MatrixDocument,
        query=MatrixQuery,
        errors=(404,),
    ),
)
