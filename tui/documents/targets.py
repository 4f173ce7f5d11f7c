"""Targets and groups, and how many paths keep them."""

from __future__ import annotations

import msgspec

from tui.documents.titles import Title


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of a target by verdict."""

    passed: int = msgspec.field(default=0, name="pass")
    failed: int = msgspec.field(default=0, name="fail")
    undecided: int = 0
    impossible: int = 0
    no_data: int = 0


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """Passed over decided pairs, and the range when undecided count against or for."""

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    decided: int = 0
    passed: int = 0


class SourceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where a target is published."""

    document: Title | None = None
    issuer: Title | None = None
    year: int | None = None
    clause: Title | None = None


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """An inventory figure that the site file declares; nobody measured it."""

    site: str
    value: float | bool | None = None
    unit: str | None = None
    other_site: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A demand with its counts and compliance."""

    name: str
    title: Title = Title()
    source: SourceDocument | None = None
    kind: str = "delay"
    statistic: str | None = None
    direction: str | None = None
    direction_stated: bool = False
    limit_ms: float | None = None
    limit_ratio: float | None = None
    goals: dict[str, float] = {}
    counts: Counts = Counts()
    paths: int | None = None
    compliance: Compliance | None = None
    goal_verdict: dict[str, str] = {}
    declared: list[Declared] = []
    group: str | None = None
    ipv4_alone: int = 0


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Targets that share one compliance rate over pairs of sites."""

    name: str
    title: Title = Title()
    source: SourceDocument | None = None
    targets: list[str] = []
    pairs: int | None = None
    paths: int | None = None
    counts: Counts = Counts()
    compliance: Compliance | None = None
    goals: dict[str, float] = {}
    goal_verdict: dict[str, str] = {}
