"""The targets, how many paths keep them, and whether their goals are reached."""

from __future__ import annotations

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.documents.compliance_documents import compliance_document, counts_document
from controller.documents.targets import Declared, TargetDocument, TargetPage
from controller.judge.compliance import compliance, goal_verdict
from controller.live.snapshot import Snapshot
from controller.state import STATE, ControllerState
from topology.model import Target
from topology.targets import declared, limit_ratio_of


async def targets(request: web.Request) -> web.Response:
    """Return the targets in the order of the site file."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(state.network.targets, query.limit, query.after)
    items = [_document(state, target) for target in page]
    return json_answer(TargetPage(items=items, next=cursor))


def _document(state: ControllerState, target: Target) -> TargetDocument:
    catalogue, latest = state.catalogue, state.live.latest
    mine = catalogue.demand_target == catalogue.target_number[target.name]
    verdicts = counted_verdicts(state.snapshot(), target)
    found = compliance(verdicts) if len(verdicts) else None
    return TargetDocument(
        name=target.name,
        title=target.title,
        source=target.source,
        kind=target.kind,
        statistic=target.statistic,
        direction=target.direction,
        direction_stated=target.direction_stated,
        limit_ms=target.limit_ms,
        limit_ratio=limit_ratio_of(target),
        goals=dict(target.goals),
        counts=counts_document(verdicts),
        paths=len(np.unique(catalogue.demand_path[mine])),
        compliance=compliance_document(found),
        goal_verdict={year: goal_verdict(found, share) for year, share in target.goals.items()},
        declared=[
            Declared(site=item.site, value=item.value, unit=item.unit, other_site=item.other_site)
            for item in declared(state.network, target)
        ],
        maintenance=int(np.count_nonzero(latest.maintenance[mine])),
        group=target.group,
        ipv4_alone=state.rounds.scope.ipv4_alone.get(target.name, 0),
        stale=int(np.count_nonzero(latest.stale[mine])),
    )


def counted_verdicts(now: Snapshot, target: Target) -> NDArray[np.int8]:
    """Return the verdicts of a target's paths but for those in maintenance, as codes."""
    catalogue, latest = now.scope.catalogue, now.round
    mine = catalogue.demand_target == catalogue.target_number[target.name]
    counted: NDArray[np.int8] = latest.judgements.verdict[mine & ~latest.maintenance]
    return counted


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
)
