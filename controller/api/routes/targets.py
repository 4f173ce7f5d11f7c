"""The targets and groups of them: who meets them, what to fix, who could ever be inside a ring."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer, page_of
from controller.api.lookup import number_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS
from controller.documents.remediation import (
    RemediationDocument,
    RingDocument,
    group_remediation,
    ring_document,
    target_remediation,
)
from controller.documents.targets import GroupPage, TargetPage, group_document, target_document
from foundation.text import Text
from topology.model import Target


async def targets(request: web.Request) -> web.Response:
    """Return the targets in the order of the site file."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(now.scope.network.targets, query.limit, query.after)
    items = [target_document(now, target) for target in page]
    return json_answer(TargetPage(items=items, next=cursor))


async def groups(request: web.Request) -> web.Response:
    """Return the groups in the order of the targets."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(now.scope.groups, query.limit, query.after)
    return json_answer(GroupPage(items=[group_document(now, group) for group in page], next=cursor))


class RemediationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which goal; absent: that of the site file's year, else the highest, else everything."""

    goal: Annotated[
        Annotated[float, msgspec.Meta(ge=1e-6, le=1)] | None,
        msgspec.Meta(description="The share that must pass, up to 1."),
    ] = None


async def of_target(request: web.Request) -> web.Response:
    """Return what to fix for one target."""
    query, now = query_of(request, RemediationQuery), request.app[READINGS].snapshots.now()
    numbers, name = now.scope.catalogue.target_number, request.match_info["name"]
    number = number_of(numbers, name, "target")
    return json_answer(target_remediation(now, number, query.goal))


async def of_group(request: web.Request) -> web.Response:
    """Return what to fix for a group."""
    query, now = query_of(request, RemediationQuery), request.app[READINGS].snapshots.now()
    name = request.match_info["name"]
    group = next((group for group in now.scope.groups if group.name == name), None)
    if group is None:
        text = Text(f"There is no group named {name}.", f"没有名为 {name} 的指标组。")
        raise ApiError(404, "unknown_group", text, name=name)
    return json_answer(group_remediation(now, group, query.goal))


class RingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ring."""

    centre: Annotated[
        str | None, msgspec.Meta(description="A site; absent: the first that the target names.")
    ] = None


async def ring(request: web.Request) -> web.Response:
    """Return the ring of a delay target around a site."""
    query, now = query_of(request, RingQuery), request.app[READINGS].snapshots.now()
    catalogue, network = now.scope.catalogue, now.scope.network
    target = network.targets[
        number_of(catalogue.target_number, request.match_info["name"], "target")
    ]
    limit_ms = _limit_ms(target)
    if query.centre is not None:
        number_of(catalogue.site_number, query.centre, "site")
    return json_answer(ring_document(network, target, limit_ms, query.centre))


def _limit_ms(target: Target) -> float:
    if target.kind != "delay" or target.limit_ms is None:
        text = Text(
            f"The target {target.name} has no ring: only a limit on delay draws one.",
            f"指标 {target.name} 没有时延圈：只有时延限值才能划出时延圈。",
        )
        raise ApiError(404, "no_ring", text, name=target.name)
    return target.limit_ms


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
    Route(
        method="GET",
        path=f"{PREFIX}/groups",
        handler=groups,
        role="viewer",
        summary="Targets that share one compliance rate over pairs of sites.",
        answer=GroupPage,
        query=PageQuery,
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/targets/{{name}}/remediation",
        handler=of_target,
        role="viewer",
        summary="The smallest list of paths that would lift a target to its goal.",
        answer=RemediationDocument,
        query=RemediationQuery,
        errors=(404,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/groups/{{name}}/remediation",
        handler=of_group,
        role="viewer",
        summary="The smallest list of paths that would lift a group to its goal.",
        answer=RemediationDocument,
        query=RemediationQuery,
        errors=(404,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/targets/{{name}}/ring",
        handler=ring,
        role="viewer",
        summary="Which sites could ever be within a target's limit of a site.",
        answer=RingDocument,
        query=RingQuery,
        errors=(404,),
    ),
)
