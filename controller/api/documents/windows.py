"""Windows: a stream over an interval."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.api.documents.words import Protocol


class FlowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of a window."""

    flow: int
    sent: int
    lost: int
    rtt_p50_ns: float | None


class WindowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One stream over one interval.

    `one_way` says what its one-way delays are: ``absolute`` (within `clock_bound_ns`), ``relative``
    (no clock may be trusted: only the `relative_*` figures mean anything, delay above the least of
    the windows answered, skew removed) or ``none``.
    """

    start_ns: int
    duration_ns: int
    plan_version: int
    protocol: Protocol
    sent: int
    received: int
    lost_forward: int
    lost_backward: int
    lost_unknown: int
    late: int
    duplicate: int
    reordered: int
    local_drop: int
    loss_ratio: float | None
    rtt_min_ns: float | None
    rtt_p50_ns: float | None
    rtt_p95_ns: float | None
    rtt_mean_ns: float | None
    rtt_max_ns: float | None
    forward_p50_ns: float | None
    forward_p95_ns: float | None
    forward_mean_ns: float | None
    backward_p50_ns: float | None
    backward_p95_ns: float | None
    clock_bound_ns: float | None
    one_way: Literal["absolute", "relative", "none"]
    relative_forward_p50_ns: float | None
    relative_forward_p95_ns: float | None
    relative_backward_p50_ns: float | None
    relative_backward_p95_ns: float | None
    stamping: str
    suspect: bool
    flows: list[FlowDocument]


class WindowPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of windows, oldest first."""

    items: list[WindowDocument]
    next: str | None = None
