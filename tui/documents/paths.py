"""Paths, the streams on them, their latest figures and their windows."""

from __future__ import annotations

import msgspec


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a path."""

    site: str
    interface: str = ""
    carrier: str = ""
    address: str = ""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart the ends are and what light needs for it."""

    great_circle_km: float | None = None
    road_km: float | None = None
    road_uncertainty_ratio: float | None = None
    given: bool = False
    floor_ns: float | None = None
    theoretical_ns: float | None = None


class StreamLine(msgspec.Struct, frozen=True, kw_only=True):
    """A planned stream of a path."""

    stream_id: str
    protocol: str = ""
    type_p: str | None = None
    interval_ms: float | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Latest figures of one protocol on a path."""

    sent: int | None = None
    received: int | None = None
    lost: int | None = None
    loss_ratio: float | None = None
    rtt_p50_ns: float | None = None
    rtt_p95_ns: float | None = None
    rtt_mean_ns: float | None = None
    forward_p50_ns: float | None = None
    forward_p95_ns: float | None = None
    backward_p50_ns: float | None = None
    one_way: str | None = None
    clock_bound_ns: float | None = None
    timestamping: str | None = None
    last_window_ns: int | None = None


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered pair of interfaces."""

    id: str
    source: End
    destination: End
    ip_version: int | None = None
    between_carriers: bool = False
    distance: Distance | None = None
    streams: list[StreamLine] = []
    state: str = "no_data"
    worst_verdict: str | None = None
    figures: dict[str, Figures | None] = {}


class FlowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One flow (5-tuple) of a stream in one window."""

    flow: int
    sent: int | None = None
    lost: int | None = None
    rtt_p50_ns: float | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's summary over one interval."""

    start_ns: int
    duration_ns: int = 0
    protocol: str = ""
    sent: int | None = None
    received: int | None = None
    lost_forward: int | None = None
    lost_backward: int | None = None
    lost_unknown: int | None = None
    late: int | None = None
    duplicate: int | None = None
    reordered: int | None = None
    unread: int | None = None
    discarded: int | None = None
    asked: int | None = None
    not_sent: int | None = None
    loss_ratio: float | None = None
    rtt_min_ns: float | None = None
    rtt_p50_ns: float | None = None
    rtt_p95_ns: float | None = None
    rtt_mean_ns: float | None = None
    rtt_max_ns: float | None = None
    forward_p50_ns: float | None = None
    forward_p95_ns: float | None = None
    forward_mean_ns: float | None = None
    backward_p50_ns: float | None = None
    backward_p95_ns: float | None = None
    clock_bound_ns: float | None = None
    one_way: str | None = None
    relative_forward_p50_ns: float | None = None
    relative_forward_p95_ns: float | None = None
    relative_backward_p50_ns: float | None = None
    relative_backward_p95_ns: float | None = None
    timestamping: str | None = None
    suspect: bool | int | str | list[str] | None = None
    flows: list[FlowFigures] | None = None
