"""The latest verdicts, filtered and paged, and the worst of them between every two sites."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from controller.api.http_answers import json_answer, json_bytes, read_cursor, write_cursor
from controller.api.lookup import number_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS
from controller.documents.matrix import MatrixDocument
from controller.documents.path_schema import VerdictPage
from controller.documents.verdicts import verdict_document
from controller.judge.evidence import VERDICTS
from controller.live.snapshot import Snapshot
from topology.model import VerdictName


class VerdictQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which verdicts."""

    target: Annotated[str | None, msgspec.Meta(description="Of one target.")] = None
    path: Annotated[str | None, msgspec.Meta(description="Of one path.")] = None
    site: Annotated[str | None, msgspec.Meta(description="Of paths from or to a site.")] = None
    verdict: Annotated[VerdictName | None, msgspec.Meta(description="With this verdict alone.")] = (
        None
    )


async def verdicts(request: web.Request) -> web.Response:
    """Return verdicts in the order of the demands; a cursor stays good from round to round."""
    query, now = query_of(request, VerdictQuery), request.app[READINGS].snapshots.now()
    wanted = _wanted(now, query)
    if query.verdict is not None:
        wanted &= now.round.judgements.verdict == VERDICTS.index(query.verdict)
    rows = np.flatnonzero(wanted)
    rows = rows[rows >= read_cursor(query.after, "v", 0)]
    page, rest = rows[: query.limit], rows[query.limit :]
    items = [verdict_document(now, int(row)) for row in page]
    cursor = write_cursor("v", int(rest[0])) if len(rest) else None
    return json_answer(VerdictPage(items=items, next=cursor))


def _wanted(now: Snapshot, query: VerdictQuery) -> NDArray[np.bool_]:
    """Return which demands the query names. Raises ApiError for a name that does not exist."""
    catalogue = now.scope.catalogue
    wanted = np.ones(len(now.scope.demands), np.bool_)
    if query.target is not None:
        wanted &= catalogue.demand_target == number_of(
            catalogue.target_number, query.target, "target"
        )
    if query.path is not None:
        wanted &= catalogue.demand_path == number_of(catalogue.path_number, query.path, "path")
    if query.site is not None:
        site = number_of(catalogue.site_number, query.site, "site")
        wanted &= (catalogue.demand_source == site) | (catalogue.demand_destination == site)
    return wanted


class MatrixQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which matrix."""

    target: Annotated[
        str | None, msgspec.Meta(description="Of one target; else of all of them.")
    ] = None


async def matrix(request: web.Request) -> web.Response:
    """Return the matrix of the latest round."""
    query, readings = query_of(request, MatrixQuery), request.app[READINGS]
    now = readings.snapshots.now()
    if query.target is not None:
        number_of(now.scope.catalogue.target_number, query.target, "target")
    return json_bytes(await asyncio.to_thread(readings.matrices.body, now, query.target))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/verdicts",
        handler=verdicts,
        role="viewer",
        summary="The latest verdicts.",
        answer=VerdictPage,
        query=VerdictQuery,
        errors=(404,),
    ),
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
