"""What to fix, and who could ever be inside a ring."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.words import IpVersion
from topology.model import Direction, VerdictName


class RemediationPath(msgspec.Struct, frozen=True, kw_only=True):
    """A path to mend: `fix` it, or `measure` it until it is decided.

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
    `best_ratio` is the rate if everything possible were mended.
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
