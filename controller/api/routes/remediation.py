"""What to fix so that a target, or a group of targets, reaches its goal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.documents.remediation import RemediationDocument, RemediationPath, RemediationShare
from controller.documents.verdict_documents import verdict_name
from controller.judge.compliance import action_of, margins, remediation
from controller.judge.evidence import RATIO_KINDS
from controller.live.figures import finite
from controller.live.verdicts import Round
from controller.state import STATE, ControllerState
from foundation.text import Text


class RemediationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which goal; absent: that of the site file's year, else the highest, else everything."""

    goal: Annotated[
        Annotated[float, msgspec.Meta(ge=1e-6, le=1)] | None,
        msgspec.Meta(description="The share that must pass, up to 1."),
    ] = None


async def target_remediation(request: web.Request) -> web.Response:
    """Return what to fix for one target: units are its paths."""
    query, state = query_of(request, RemediationQuery), request.app[STATE]
    name, catalogue = request.match_info["name"], state.catalogue
    number = number_of(catalogue.target_number, name, "target")
    rows = np.flatnonzero(catalogue.demand_target == number)
    goals = state.network.targets[number].goals
    units = np.arange(len(rows))
    return json_answer(_document(state, name, goals, query.goal, rows, units, "paths"))


async def group_remediation(request: web.Request) -> web.Response:
    """Return what to fix for a group: units are its pairs of sites."""
    query, state = query_of(request, RemediationQuery), request.app[STATE]
    name = request.match_info["name"]
    group = next((group for group in state.rounds.scope.groups if group.name == name), None)
    if group is None:
        text = Text(f"There is no group named {name}.", f"没有名为 {name} 的指标组。")
        raise ApiError(404, "unknown_group", text, name=name)
    return json_answer(
        _document(state, name, group.goals, query.goal, group.demand, group.pair, "pairs")
    )


def _document(
    state: ControllerState,
    name: str,
    goals: Mapping[str, float],
    goal: float | None,
    rows: NDArray[np.int64],
    unit: NDArray[np.int64],
    of: str,
) -> RemediationDocument:
    latest = state.live.latest
    counted = ~latest.maintenance[rows]
    rows = rows[counted]
    present, unit = np.unique(unit[counted], return_inverse=True)
    year, wanted = (None, goal) if goal is not None else _goal_now(state, goals)
    margin = margins(latest.rules, latest.judgements)
    found = remediation(latest.judgements.verdict[rows], margin[rows], unit, len(present), wanted)
    paths = [_path(state, latest, row, margin[row]) for row in rows[found.chosen].tolist()]
    return RemediationDocument(
        name=name,
        of="pairs" if of == "pairs" else "paths",
        goal=wanted,
        year=year,
        total=found.total,
        passed=found.passed,
        needed=found.needed,
        reachable=found.reachable,
        best_ratio=finite(found.best),
        paths=paths,
        by_carrier=_shares({f"{p.source_carrier} → {p.destination_carrier}"} for p in paths),
        by_site=_shares({p.source_site, p.destination_site} for p in paths),
    )


def _goal_now(state: ControllerState, goals: Mapping[str, float]) -> tuple[str | None, float]:
    """Return the goal of the network's year, or of the last year that has one; else all."""
    year = None if state.network.year is None else str(state.network.year)
    if year not in goals:
        year = max(goals, key=lambda each: goals[each], default=None)
    return year, 1.0 if year is None else goals[year]


def _path(state: ControllerState, latest: Round, row: int, margin: float) -> RemediationPath:
    demand = state.demands[row]
    path, verdict = demand.path, int(latest.judgements.verdict[row])
    is_ratio = demand.target.kind in ("loss", *RATIO_KINDS)
    return RemediationPath(
        target=demand.target.name,
        path=path.id,
        source_site=path.source.site,
        destination_site=path.destination.site,
        source_carrier=path.source.carrier,
        destination_carrier=path.destination.carrier,
        ip_version=path.source.ip_version,
        verdict=verdict_name(verdict),
        action="measure" if action_of(verdict) == "measure" else "fix",
        measured=finite(latest.judgements.measured[row]),
        limit=demand.limit_ratio if is_ratio else demand.limit_ns,
        unit="ratio" if is_ratio else "ns",
        margin_ratio=finite(margin),
    )


def _shares(names: Iterable[set[str]]) -> list[RemediationShare]:
    counts = Counter(name for group in names for name in sorted(group))
    return [RemediationShare(name=name, paths=paths) for name, paths in counts.most_common()]


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/targets/{{name}}/remediation",
        handler=target_remediation,
        role="viewer",
        summary="The smallest list of paths that would lift a target to its goal.",
        answer=RemediationDocument,
        query=RemediationQuery,
        errors=(404,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/groups/{{name}}/remediation",
        handler=group_remediation,
        role="viewer",
        summary="The smallest list of paths that would lift a group to its goal.",
        answer=RemediationDocument,
        query=RemediationQuery,
        errors=(404,),
    ),
)
