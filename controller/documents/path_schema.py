"""Paths, their streams and their verdicts, as the API says them.

Declared apart from what makes them of a snapshot: a client reads them without what computes them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.values import IpVersion, PathState, Protocol, StreamIdText
from foundation.text import Text
from messages.exchange import PolicyRule
from topology.model import Direction, Statistic, VerdictName


class SilenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stream is not judged now: by whose `agent` and `rule`, and since when.

    `side` is ``sending`` where that agent is its sender, ``answering`` where it is the far end.
    """

    stream_id: StreamIdText
    agent: str
    side: Literal["sending", "answering"]
    rule: str
    since_ns: int


class CurtailmentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy of an agent's owner takes from a stream; slowed to `interval_ms`."""

    stream_id: StreamIdText
    rule: PolicyRule
    action: Literal["refused", "throttled"]
    interval_ms: float | None = None


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

    `evidence_ns` is where the newest window that it is based on ends (null: there is none),
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


class VerdictPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of verdicts."""

    items: list[VerdictDocument]
    next: str | None = None


class EndDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a path."""

    site: str
    interface: str
    carrier: str
    address: str


class DistanceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart two sites are, and the delay of light in fibre over that."""

    great_circle_km: float
    road_km: float
    road_uncertainty_ratio: float
    given: bool
    floor_ns: float
    theoretical_ns: float


class PathStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of a path."""

    stream_id: StreamIdText
    protocol: Protocol
    type_p: str
    interval_ms: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol's figures on one path over the judged period; null is unknown.

    Quantiles count lost probes as infinite delays, so a quantile that falls among them is null.
    `one_way`: whether one-way delays are ``absolute`` (within `clock_bound_ns`) or ``relative``:
    then they hold the disagreement of two clocks that nothing vouches for. The newest window ended
    at `last_window_ns`, `age_ms` ago; where that is too long, the figures are `stale`.
    """

    sent: int
    received: int
    lost: int
    loss_ratio: float | None
    rtt_p50_ns: float | None
    rtt_p95_ns: float | None
    rtt_mean_ns: float | None
    forward_p50_ns: float | None
    forward_p95_ns: float | None
    backward_p50_ns: float | None
    one_way: Literal["absolute", "relative", "none"]
    clock_bound_ns: float | None
    timestamping: str
    last_window_ns: int | None
    age_ms: int | None = None
    stale: bool = False


class PathDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered pair of interfaces, what runs on it and how it is.

    `silences` are those of its streams that nobody sends or nobody answers now: none of it is loss.
    """

    id: str
    source: EndDocument
    destination: EndDocument
    ip_version: IpVersion
    between_carriers: bool
    distance: DistanceDocument
    streams: list[PathStream]
    state: PathState
    worst_verdict: VerdictName | None
    figures: dict[str, Figures]
    silences: list[SilenceDocument] = []


class StreamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A planned stream; `curtailed`: what the policy of the agent's owner takes from it.

    `silence`: who refuses it, or does not answer it at the far end.
    """

    stream_id: StreamIdText
    path: str
    protocol: Protocol
    type_p: str
    ip_version: IpVersion
    payload_bytes: int
    dscp: int
    port: int | None
    interval_ms: float
    flows: int
    timeout_ms: float
    state: PathState
    last_window_ns: int | None
    curtailed: CurtailmentDocument | None = None
    silence: SilenceDocument | None = None


class PathPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of paths."""

    items: list[PathDocument]
    next: str | None = None


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of streams."""

    items: list[StreamDocument]
    next: str | None = None
