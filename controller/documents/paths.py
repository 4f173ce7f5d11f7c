"""Paths, the streams on them and their latest figures."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.words import IpVersion, PathState, Protocol, StreamIdText
from messages.exchange import PolicyRule
from topology.model import VerdictName


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


class SilenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a stream is not judged now: by whose `agent` and `rule`, and since when.

    `side` is ``sending`` where that agent is its sender, ``answering`` where it is the far end.
    """

    stream_id: StreamIdText
    agent: str
    side: Literal["sending", "answering"]
    rule: str
    since_ns: int


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


class CurtailmentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy of an agent's owner takes from a stream; slowed to `interval_ms`."""

    stream_id: StreamIdText
    rule: PolicyRule
    action: Literal["refused", "throttled"]
    interval_ms: float | None = None


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
