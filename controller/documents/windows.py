"""Windows: a stream over an interval."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.words import Protocol, StreamIdText


class FlowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of a window."""

    flow: int
    sent: int
    lost: int
    rtt_p50_ns: float | None


class WindowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One stream over one interval.

    `asked` = `sent` + `not_sent`, the latter by cause. `unread`: answers that the sender had no
    room for, so that these probes are neither received nor lost. `discarded`: of the lost, those
    of which an answer came that was of no use. `dscp_changed_*`: of the received, those that met
    another DSCP at the far end (forward) or here (backward); `dscp_*`, `ecn_*`: what was seen most,
    where it is known. `received_ns`: when the controller got it, by its clock.

    `one_way` says what its one-way delays are: ``absolute`` (within `clock_bound_ns`), ``relative``
    (no clock may be trusted: only the `relative_*` figures mean anything, delay above the least of
    the windows answered, skew removed) or ``none``.
    """

    stream_id: StreamIdText
    start_ns: int
    duration_ns: int
    received_ns: int
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
    unread: int
    discarded: int
    asked: int
    not_sent: int
    not_sent_firewall: int
    not_sent_no_route: int
    not_sent_interface: int
    not_sent_queue: int
    not_sent_too_big: int
    not_sent_skipped: int
    not_sent_other: int
    dscp_changed_forward: int
    dscp_changed_backward: int
    dscp_forward: float | None
    dscp_backward: float | None
    ecn_forward: float | None
    ecn_backward: float | None
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
    timestamping: str
    suspect: bool
    flows: list[FlowDocument]


class WindowPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of windows, oldest first."""

    items: list[WindowDocument]
    next: str | None = None
