"""Groups of targets with one compliance rate over pairs of sites."""

from __future__ import annotations

import numpy as np
from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.documents.compliance_documents import compliance_document, counts_document
from controller.documents.targets import GroupDocument, GroupPage
from controller.judge.compliance import compliance, goal_verdict
from controller.live.groups import Group
from controller.state import STATE, ControllerState


async def groups(request: web.Request) -> web.Response:
    """Return the groups in the order of the targets."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(state.rounds.scope.groups, query.limit, query.after)
    return json_answer(GroupPage(items=[_document(state, group) for group in page], next=cursor))


def _document(state: ControllerState, group: Group) -> GroupDocument:
    latest = state.live.latest
    verdict, excluded = latest.judgements.verdict, latest.maintenance
    pairs = group.verdicts(verdict, excluded)
    counted = group.demand[~excluded[group.demand]]
    found = compliance(pairs)
    return GroupDocument(
        name=group.name,
        title=group.title,
        source=group.targets[0].source,
        targets=[target.name for target in group.targets],
        pairs=group.pairs,
        paths=len(set(state.catalogue.demand_path[group.demand].tolist())),
        counts=counts_document(pairs),
        compliance=compliance_document(found),
        paths_compliance=compliance_document(compliance(verdict[counted])),
        goals=dict(group.goals),
        goal_verdict={year: goal_verdict(found, share) for year, share in group.goals.items()},
        maintenance=group.pairs - len(pairs),
        stale=int(np.count_nonzero(latest.stale[group.demand])),
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/groups",
        handler=groups,
        role="viewer",
        summary="Targets that share one compliance rate over pairs of sites.",
        answer=GroupPage,
        query=PageQuery,
    ),
)
