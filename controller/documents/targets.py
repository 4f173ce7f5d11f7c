"""Targets and groups, and how many paths keep them."""

from __future__ import annotations

from typing import Literal

import msgspec

from foundation.text import Text
from topology.model import Direction, Source, Statistic


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
