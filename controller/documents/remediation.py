"""What to fix, and who could ever be inside a ring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.documents.values import IpVersion, finite
from controller.documents.verdicts import verdict_name
from controller.judge.compliance import action_of, margins, remediation
from controller.judge.evidence import RATIO_KINDS
from topology.model import Direction, Target, VerdictName
from topology.network import Network
from topology.targets import reachable_ring, ring_centres

if TYPE_CHECKING:
    from controller.live.groups import Group
    from controller.live.snapshot import Snapshot


class RemediationPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path to fix: `fix` it, or `measure` it until it is decided.

    `margin_ratio` is by how much it exceeds its limit, as a share of the limit; negative within.
    """

    target: str
    path: str
    source_site: str
    destination_site: str
    source_carrier: str
    destination_carrier: str
    ip_version: IpVersion
    verdict: VerdictName
    action: Literal["fix", "measure"]
    measured: float | None
    limit: float | None
    unit: Literal["ns", "ratio"]
    margin_ratio: float | None


class RemediationShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the listed paths have to do with one site, or one pair of carriers."""

    name: str
    paths: int


class RemediationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest list of paths that would lift a compliance rate to `goal`.

    `total`, `passed`, `needed` count paths of a target, pairs of sites of a group.
    `best_ratio` is the rate if everything possible were fixed.
    """

    name: str
    of: Literal["paths", "pairs"]
    goal: float
    year: str | None
    total: int
    passed: int
    needed: int
    reachable: bool
    best_ratio: float | None
    paths: list[RemediationPath]
    by_carrier: list[RemediationShare]
    by_site: list[RemediationShare]


class RingSite(msgspec.Struct, frozen=True, kw_only=True):
    """One site's place in a ring, by geography alone.

    `margin_km` is fibre that a route may waste beyond the straight line; negative: out of reach.
    """

    site: str
    great_circle_km: float
    floor_ns: float
    margin_km: float
    reachable: bool
    by_road: bool


class RingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which sites could ever be within a target's limit of `centre`; `centres` are its choices."""

    target: str
    limit_ms: float
    direction: Direction
    centre: str
    centres: list[str]
    sites: list[RingSite]


def target_remediation(
    now: Snapshot, number: int, goal: float | None = None
) -> RemediationDocument:
    """Return what to fix for the target of a number: units are its paths."""
    target = now.scope.network.targets[number]
    rows = np.flatnonzero(now.scope.catalogue.demand_target == number)
    units = np.arange(len(rows))
    return remediation_document(now, target.name, target.goals, goal, rows, units, "paths")


def group_remediation(
    now: Snapshot, group: Group, goal: float | None = None
) -> RemediationDocument:
    """Return what to fix for a group: units are its pairs of sites."""
    return remediation_document(
        now, group.name, group.goals, goal, group.demand, group.pair, "pairs"
    )


def remediation_document(
    now: Snapshot,
    name: str,
    goals: Mapping[str, float],
    goal: float | None,
    rows: NDArray[np.int64],
    unit: NDArray[np.int64],
    of: str,
) -> RemediationDocument:
    """Return what to fix for demands `rows`, which belong to `unit`s of what is counted."""
    latest = now.round
    counted = ~latest.maintenance[rows]
    rows = rows[counted]
    present, unit = np.unique(unit[counted], return_inverse=True)
    year, wanted = (None, goal) if goal is not None else _goal_now(now, goals)
    margin = margins(latest.rules, latest.judgements)
    found = remediation(latest.judgements.verdict[rows], margin[rows], unit, len(present), wanted)
    paths = [_path(now, row, margin[row]) for row in rows[found.chosen].tolist()]
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


def _goal_now(now: Snapshot, goals: Mapping[str, float]) -> tuple[str | None, float]:
    """Return the goal of the network's year, or of the last year that has one; else all."""
    year = None if now.scope.network.year is None else str(now.scope.network.year)
    if year not in goals:
        year = max(goals, key=lambda each: goals[each], default=None)
    return year, 1.0 if year is None else goals[year]


def _path(now: Snapshot, row: int, margin: float) -> RemediationPath:
    demand, latest = now.scope.demands[row], now.round
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


def ring_document(
    network: Network, target: Target, limit_ms: float, centre: str | None
) -> RingDocument:
    """Return who could ever be within a limit of a site; without `centre` the first of the ring."""
    centres = ring_centres(network, target)
    centre = centre or next(iter(centres or network.sites))
    round_trip = target.direction == "round_trip"
    return RingDocument(
        target=target.name,
        limit_ms=limit_ms,
        direction=target.direction,
        centre=centre,
        centres=list(centres),
        sites=[
            RingSite(
                site=place.site,
                great_circle_km=place.great_circle_km,
                floor_ns=network.distance(centre, place.site).floor_ns,
                margin_km=place.margin_km,
                reachable=place.reachable,
                by_road=place.by_road,
            )
            for place in reachable_ring(network, centre, limit_ms, round_trip=round_trip)
        ],
    )
