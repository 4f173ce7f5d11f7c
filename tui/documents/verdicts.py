"""Verdicts with their intervals and reasons; what to fix, and who could ever be inside a ring."""

from __future__ import annotations

import msgspec

from tui.documents.titles import Title


class OtherReading(msgspec.Struct, frozen=True, kw_only=True):
    """The same limit read in the other direction."""

    direction: str
    measured: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One target on one path, judged."""

    target: str
    path: str
    source_site: str = ""
    destination_site: str = ""
    source_carrier: str = ""
    destination_carrier: str = ""
    ip_version: int | None = None
    protocol: str | None = None
    verdict: str = "no_data"
    statistic: str | None = None
    direction: str | None = None
    limit_ns: float | None = None
    limit_ratio: float | None = None
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ns"
    other_reading: OtherReading | None = None
    floor_ns: float | None = None
    sent: int | None = None
    lost: int | None = None
    limiting_factor: str | None = None
    reason: Title = Title()
    since_ns: int | None = None
    judged_ns: int | None = None
    pending: str | None = None
    position: float | None = None


class RemediationPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path to fix, or to measure until it is decided."""

    target: str = ""
    path: str = ""
    source_site: str = ""
    destination_site: str = ""
    source_carrier: str = ""
    destination_carrier: str = ""
    verdict: str = "no_data"
    action: str = ""
    measured: float | None = None
    limit: float | None = None
    unit: str = "ns"
    margin_ratio: float | None = None


class RemediationShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many listed paths have to do with one site or pair of carriers."""

    name: str
    paths: int = 0


class Remediation(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest list of paths that would lift a rate to its goal."""

    name: str
    of: str = "paths"
    goal: float = 1.0
    year: str | None = None
    total: int = 0
    passed: int = 0
    needed: int = 0
    reachable: bool = True
    best_ratio: float | None = None
    paths: list[RemediationPath] = []
    by_carrier: list[RemediationShare] = []
    by_site: list[RemediationShare] = []


class RingSite(msgspec.Struct, frozen=True, kw_only=True):
    """One site's place in a ring."""

    site: str
    great_circle_km: float | None = None
    floor_ns: float | None = None
    margin_km: float | None = None
    reachable: bool = False
    by_road: bool = False


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Which sites could ever be within a target's limit of `centre`."""

    target: str
    limit_ms: float | None = None
    centre: str = ""
    centres: list[str] = []
    sites: list[RingSite] = []
