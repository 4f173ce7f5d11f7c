"""Targets and groups, and how many paths keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.judge.compliance import compliance, goal_verdict
from controller.judge.evidence import VERDICTS
from foundation.text import Text
from topology.model import Direction, Source, Statistic, Target
from topology.targets import declared, limit_ratio_of

if TYPE_CHECKING:
    from controller.judge.compliance import Compliance
    from controller.live.groups import Group
    from controller.live.snapshot import Snapshot


class VerdictCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many demands have each verdict."""

    pass_: int = msgspec.field(name="pass")
    fail: int
    undecided: int
    impossible: int
    no_data: int


class ComplianceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Passed over decided; `low` and `high` count what is open against or for. Null: none."""

    ratio: float | None
    low: float | None
    high: float | None
    decided: int
    passed: int


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that a site file declares and no probe measures; of a pair with `other_site`."""

    site: str
    value: float
    unit: str | None
    other_site: str | None = None


class GroupDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Targets that share one compliance rate over pairs of sites.

    A pair complies if each of its paths (both directions, every carrier and IP version) keeps each
    target that binds it. `counts` and `compliance` are of pairs, `paths` counts judged paths and
    `paths_compliance` is their rate. `maintenance` counts the pairs that are left out of all of
    these because every path of theirs is in maintenance. `stale` counts the judged paths whose
    evidence is too old, and which so have no data.
    """

    name: str
    title: Text
    source: Source
    targets: list[str]
    pairs: int
    paths: int
    counts: VerdictCounts
    compliance: ComplianceDocument | None
    paths_compliance: ComplianceDocument | None
    goals: dict[str, float]
    goal_verdict: dict[str, Literal["pass", "fail", "undecided", "no_data"]]
    maintenance: int
    stale: int = 0


class TargetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A published demand, how many paths it selects, and how they fare.

    `maintenance` counts the paths that are left out of `counts` and `compliance` for now,
    `ipv4_alone` (kind ipv6_parity) those that are never judged, as no IPv6 path is beside them.
    `stale` counts those whose evidence is too old, and which so have no data.
    """

    name: str
    title: Text
    source: Source
    kind: str
    statistic: Statistic
    direction: Direction
    direction_stated: bool
    limit_ms: float | None
    limit_ratio: float | None
    goals: dict[str, float]
    counts: VerdictCounts
    paths: int
    compliance: ComplianceDocument | None
    goal_verdict: dict[str, Literal["pass", "fail", "undecided", "no_data"]]
    declared: list[Declared]
    maintenance: int
    group: str | None = None
    ipv4_alone: int = 0
    stale: int = 0


class TargetPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of targets."""

    items: list[TargetDocument]
    next: str | None = None


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of groups."""

    items: list[GroupDocument]
    next: str | None = None


def counts_document(verdicts: NDArray[Any]) -> VerdictCounts:
    """Return how many of these verdict codes are of each kind."""
    numbers = np.bincount(verdicts, minlength=len(VERDICTS)).tolist()
    counts = dict(zip(VERDICTS, numbers, strict=True))
    return VerdictCounts(pass_=counts.pop("pass"), **counts)


def compliance_document(found: Compliance | None) -> ComplianceDocument | None:
    """Return a compliance rate; None where there is nothing to comply with."""
    if found is None or found.total == 0:
        return None
    return ComplianceDocument(
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        decided=found.decided,
        passed=found.passed,
    )


def group_document(now: Snapshot, group: Group) -> GroupDocument:
    """Return a group with the verdicts of its pairs."""
    latest = now.round
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
        paths=len(set(now.scope.catalogue.demand_path[group.demand].tolist())),
        counts=counts_document(pairs),
        compliance=compliance_document(found),
        paths_compliance=compliance_document(compliance(verdict[counted])),
        goals=dict(group.goals),
        goal_verdict={year: goal_verdict(found, share) for year, share in group.goals.items()},
        maintenance=group.pairs - len(pairs),
        stale=int(np.count_nonzero(latest.stale[group.demand])),
    )


def target_document(now: Snapshot, target: Target) -> TargetDocument:
    """Return a target with the verdicts of its paths."""
    catalogue, latest = now.scope.catalogue, now.round
    mine = catalogue.demand_target == catalogue.target_number[target.name]
    verdicts = counted_verdicts(now, target)
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
            for item in declared(now.scope.network, target)
        ],
        maintenance=int(np.count_nonzero(latest.maintenance[mine])),
        group=target.group,
        ipv4_alone=now.scope.ipv4_alone.get(target.name, 0),
        stale=int(np.count_nonzero(latest.stale[mine])),
    )


def counted_verdicts(now: Snapshot, target: Target) -> NDArray[np.int8]:
    """Return the verdicts of a target's paths but for those in maintenance, as codes."""
    catalogue = now.scope.catalogue
    mine = catalogue.demand_target == catalogue.target_number[target.name]
    counted: NDArray[np.int8] = now.round.judgements.verdict[mine & ~now.round.maintenance]
    return counted
