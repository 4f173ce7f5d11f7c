"""What became of one target of a probe run, and of each flow towards it."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.probe.findings import DscpMarks, Hops
from probes.channels.channel import FlowMark
from probes.remark import Remark
from probes.stream import ProtocolName


@dataclass(slots=True, kw_only=True)
class _Counted:
    """Probes by their outcome, and the round trips of those answered in time."""

    sent: int = 0
    received: int = 0
    late: int = 0
    unread: int = 0
    in_flight: int = 0
    rtt_ns: dict[str, float] = field(default_factory=dict)
    hops: Hops = field(default_factory=Hops)

    @property
    def lost(self) -> int:
        """Probes without an answer in time."""
        return self.sent - self.received - self.unread - self.in_flight

    @property
    def loss_ratio(self) -> float | None:
        """Lost of those of which it is known; None where there are none."""
        known = self.sent - self.unread - self.in_flight
        return self.lost / known if known else None


@dataclass(slots=True, kw_only=True)
class FlowResult(_Counted):
    """What became of the probes of one flow."""

    flow: int
    mark: FlowMark


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast probes were requested, and how fast they left, a second; `kept_ratio` is the one of
    the other. `late` tells that this machine was not fast enough, time and again."""

    asked_rate: float
    sent_rate: float
    late: bool = False

    @property
    def kept_ratio(self) -> float:
        """How much of the rate that was requested was kept."""
        return self.sent_rate / self.asked_rate


@dataclass(slots=True, kw_only=True)
class TargetResult(_Counted):
    """What became of one target: asked = sent + not_sent, and sent = received + lost + unread +
    in_flight, of which there are some where a run was ended early.

    `lost` counts late probes too; delays by probe_figures' keys. `not_sent` is by NOT_SENT,
    `discarded` by DISCARDED: of the lost, those of which an answer came that was of no use.
    `unread`: this machine had no room for the answers. `error` tells why it was not probed,
    `remarks` what else is to be known; `pace` is None where nothing was requested.
    """

    target: str
    protocol: ProtocolName
    address: str | None = None
    port: int | None = None
    asked: int = 0
    not_sent: dict[str, int] = field(default_factory=dict)
    duplicate: int = 0
    discarded: dict[str, int] = field(default_factory=dict)
    pace: Pace | None = None
    marks: DscpMarks = field(default_factory=DscpMarks)
    timestamping: str = "none"
    forward_ns: dict[str, float] = field(default_factory=dict)
    backward_ns: dict[str, float] = field(default_factory=dict)
    clock_bound_ns: float = float("nan")
    flows: list[FlowResult] = field(default_factory=list)
    error: Remark | None = None
    remarks: list[Remark] = field(default_factory=list)
    nonconforming_replies: dict[str, int] = field(
        default_factory=dict
    )  # probes.stamp.nonconforming

    @property
    def slow(self) -> bool:
        """Whether this machine was too slow for the rate that was requested."""
        return self.pace is not None and self.pace.late

    def told(self) -> list[Remark]:
        """Return all that a person is told of it."""
        return [*([] if self.error is None else [self.error]), *self.remarks]
