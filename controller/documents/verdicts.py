"""Verdicts with their intervals and reasons, their changes, and the matrix of the worst."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.words import IpVersion, Protocol
from foundation.text import Text
from topology.model import Direction, Statistic, VerdictName


class OtherReading(msgspec.Struct, frozen=True, kw_only=True):
    """The same statistic read in the other direction."""

    direction: Direction
    measured: float


class IntervalDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its interval; null is unknown."""

    measured: float | None
    low: float | None
    high: float | None


class ComparisonDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A path beside `other_path` over the windows that both have: ratios and differences."""

    other_path: str
    windows: int
    sent: int
    lost: int
    other_sent: int
    other_lost: int
    delay_ratio: IntervalDocument
    delay_difference_ns: IntervalDocument
    loss_ratio: IntervalDocument
    loss_difference: IntervalDocument


class VerdictDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The latest verdict of one target on one path, with its interval and reason.

    What would decide an undecided one, as an estimate: `needed_probes` more, or a bound on both
    clocks below `needed_clock_bound_ns`; null where it would not help.

    `evidence_ns` is where the newest window that it rests on ends (null: there is none),
    `evidence_age_ms` how old that is now. Where it is older than `max_age_ms`, it is `stale`: no
    data, whatever was measured before.
    """

    target: str
    path: str
    source_site: str
    destination_site: str
    source_carrier: str
    destination_carrier: str
    ip_version: IpVersion
    protocol: Protocol | None
    verdict: VerdictName
    statistic: Statistic
    direction: Direction
    limit_ns: float | None
    limit_ratio: float | None
    measured: float | None
    low: float | None
    high: float | None
    unit: Literal["ns", "ratio"]
    other_reading: OtherReading | None
    floor_ns: float | None
    sent: int
    lost: int
    limiting_factor: str
    reason: Text
    since_ns: int
    judged_ns: int
    pending: VerdictName | None = None
    position: float | None = None
    comparison: ComparisonDocument | None = None
    maintenance: bool = False
    needed_probes: float | None = None
    needed_clock_bound_ns: float | None = None
    evidence_ns: int | None = None
    evidence_age_ms: int | None = None
    max_age_ms: int | None = None
    stale: bool = False


class MatrixCell(msgspec.Struct, frozen=True, gc=False):
    """The worst verdict between two sites, over `paths` paths that a target selects.

    Made a hundred thousand at once: by position, and unseen by the garbage collector.
    """

    verdict: VerdictName
    paths: int
    measured: float | None
    unit: Literal["ns", "ratio"]
    maintenance: bool = False


class MatrixDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`cells[i][j]` is from site i to site j; null where nothing is asked of that pair."""

    target: str | None
    sites: list[str]
    cells: list[list[MatrixCell | None]]


class VerdictPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of verdicts."""

    items: list[VerdictDocument]
    next: str | None = None
