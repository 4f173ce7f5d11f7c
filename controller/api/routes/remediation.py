"""What to fix so that a target, or a group of targets, reaches its goal."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES
from controller.documents.remediation import (
    RemediationDocument,
    group_remediation,
    target_remediation,
)
from foundation.text import Text


class RemediationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which goal; absent: that of the site file's year, else the highest, else everything."""

    goal: Annotated[
        Annotated[float, msgspec.Meta(ge=1e-6, le=1)] | None,
        msgspec.Meta(description="The share that must pass, up to 1."),
    ] = None


async def of_target(request: web.Request) -> web.Response:
    """Return what to fix for one target."""
    query, now = query_of(request, RemediationQuery), request.app[SERVICES].snapshots.now()
    numbers, name = now.scope.catalogue.target_number, request.match_info["name"]
    number = number_of(numbers, name, "target")
    return json_answer(target_remediation(now, number, query.goal))


async def of_group(request: web.Request) -> web.Response:
    """Return what to fix for a group."""
    query, now = query_of(request, RemediationQuery), request.app[SERVICES].snapshots.now()
    name = request.match_info["name"]
    group = next((group for group in now.scope.groups if group.name == name), None)
    if group is None:
        text = Text(f"There is no group named {name}.", f"没有名为 {name} 的指标组。")
        raise ApiError(404, "unknown_group", text, name=name)
    return json_answer(group_remediation(now, group, query.goal))


ROUTES = (
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
)
