"""The plans of an agent: their history, one version, what a version changed."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer, read_cursor, write_cursor
from controller.api.lookup import known_agent
from controller.api.routing import MAX_PAGE, PREFIX, NoQuery, Route, query_of
from controller.api.services import READINGS
from controller.documents.plans import (
    PlanDifference,
    PlanDocument,
    PlanPage,
    difference,
    nothing_before,
    plan_document,
    plan_of,
    plan_summary,
)
from controller.live.archive import Archive
from controller.store.records import PlanRecord
from foundation.text import Text

_NEWEST = (1 << 63) - 1
Version = Annotated[int, msgspec.Meta(ge=1, le=_NEWEST - 1)]


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the history, newest first. Fewer by default: each plan is read whole."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE, description="At most so many items.")] = (
        50
    )
    after: Annotated[
        str | None, msgspec.Meta(description="The cursor `next` of the page before.")
    ] = None


class DifferenceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Against which version; without it, the one before."""

    against: Annotated[Version | None, msgspec.Meta(description="The other version.")] = None


async def plans(request: web.Request) -> web.Response:
    """Return the versions of an agent's plan, newest first."""
    query, archive = query_of(request, HistoryQuery), request.app[READINGS].archive
    name = _agent(request)
    before = read_cursor(query.after, "p", _NEWEST)
    found = await asyncio.to_thread(
        lambda: [plan_summary(one) for one in archive.plans(name, before, query.limit + 1)]
    )
    items = found[: query.limit]
    cursor = write_cursor("p", items[-1].version) if len(found) > query.limit else None
    return json_answer(PlanPage(items=items, next=cursor))


async def plan(request: web.Request) -> web.Response:
    """Return one version of an agent's plan."""
    query_of(request, NoQuery)
    archive, name = request.app[READINGS].archive, _agent(request)
    record = await asyncio.to_thread(_record, archive, name, _version(request))
    return json_answer(plan_document(record))


async def plan_diff(request: web.Request) -> web.Response:
    """Return what a version changed against another, or against the one before it."""
    query, archive = query_of(request, DifferenceQuery), request.app[READINGS].archive
    name, version = _agent(request), _version(request)
    after = await asyncio.to_thread(_record, archive, name, version)
    if query.against is not None:
        before = plan_of(await asyncio.to_thread(_record, archive, name, query.against))
    else:
        earlier = await asyncio.to_thread(archive.plans, name, version, 1)
        before = plan_of(earlier[0]) if earlier else nothing_before(plan_of(after))
    return json_answer(difference(before, plan_of(after)))


def _agent(request: web.Request) -> str:
    return known_agent(request.app[READINGS].snapshots.now(), request.match_info["name"])


def _version(request: web.Request) -> int:
    text = request.match_info["version"]
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise _unknown_plan(request.match_info["name"], text)


def _record(archive: Archive, name: str, version: int) -> PlanRecord:
    found = archive.plans(name, version + 1, 1)
    if not found or found[0].version != version:
        raise _unknown_plan(name, str(version))
    return found[0]


def _unknown_plan(agent: str, version: str) -> ApiError:
    return ApiError(
        404,
        "unknown_plan",
        Text(f"{agent} never had a plan {version}.", f"{agent} 没有编号为 {version} 的测量计划。"),
        agent=agent,
        version=version,
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/agents/{{name}}/plans",
        handler=plans,
        role="viewer",
        summary="The versions of an agent's plan, newest first.",
        answer=PlanPage,
        query=HistoryQuery,
        errors=(404,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/agents/{{name}}/plans/{{version}}",
        handler=plan,
        role="viewer",
        summary="One version of an agent's plan.",
        answer=PlanDocument,
        errors=(404,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/agents/{{name}}/plans/{{version}}/diff",
        handler=plan_diff,
        role="viewer",
        summary="What a version of an agent's plan changed.",
        answer=PlanDifference,
        query=DifferenceQuery,
        errors=(404,),
    ),
)
