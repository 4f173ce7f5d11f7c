"""What an agent and a controller say to each other, declared once.

Control travels as JSON text frames over a WebSocket (`ControlMessage`); windows travel as chunks,
one agent × one interval, msgpack columns under zstd, in the body of a POST. A chunk is known by
(agent, boot, sequence), which makes delivery idempotent: the controller acknowledges a chunk only
once it is committed, and a chunk it already has is acknowledged again without being stored twice.

Every field has its range, every text its length, every list its count: what an agent says is
refused whole where it is beyond them, before anything of it is kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foundation.condition import Condition, Word
from foundation.number_types import Amount, Count, Instant, IntervalMs
from foundation.text import Text
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamId, StreamSpec

SCHEMA_VERSION = 3
CHUNK_CONTENT_TYPE = "application/vnd.isochrone.chunk+msgpack+zstd"
CLAIM_HEADER = "Isochrone-Claim"  # of a chunk: PlanPush.claim
ANOTHER_AGENT = "another_agent"  # a controller's word to who is not the one of its name it hears
MAX_CHUNK_BYTES = 16 << 20  # compressed
MAX_CHUNK_EXPANDED_BYTES = 128 << 20
MEASURED_TWICE = "measured_twice"  # such a one measured that time, and its windows are stored
# Words of a controller for what no time can fix: it is no chunk, or not of who delivered it, or of
# a copy of an agent. With any other the agent keeps the chunk and offers it again.
REFUSED_FOR_EVER = frozenset({"malformed_chunk", "oversized", "foreign_chunk", MEASURED_TWICE})

MAX_CONDITIONS = 64  # in one report; an agent says how many more there are
MAX_CURTAILED_STREAMS = 100_000

Counts = Annotated[dict[Word, Count], msgspec.Meta(max_length=16)]
Epoch = Annotated[int, msgspec.Meta(ge=1, lt=1 << 53)]
AgentName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
BootId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8,64}$")]
DelayNs = Annotated[int, msgspec.Meta(ge=0, le=3_600_000_000_000)]
PolicyRule = Literal[
    "policy.destinations",
    "policy.denied_destinations",
    "policy.ports",
    "policy.protocols",
    "policy.max_packet_bytes",
    "policy.max_packets_per_s",
    "policy.max_bits_per_s",
    "policy.max_packets_per_s_per_destination",
    "policy.max_bits_per_s_per_destination",
    "policy.max_flows",
    "policy.max_sockets",
    "policy.max_memory_bytes",
    "policy.quiet_hours",
    "policy.reflector.enabled",
    "policy.reflector.open",
    "policy.reflector.ports",
    "policy.reflector.max_addresses",
    "policy.reflector.max_packets_per_s",
]
UnansweredRule = (
    PolicyRule
    | Literal[
        "reflector.not_listening",  # the port is in use, the address is not there, it broke
        "reflector.key",  # it asks for authenticated requests and has no key for them
        "agent.stopped",
        "agent.restarting",
    ]
)
MAX_UNANSWERED = 4_096


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versioned set of streams an agent must run and the reflectors it must offer.

    `local` has the address to bind for each that peers see and the machine does not have (1:1 NAT).
    """

    version: Count
    agent: AgentName
    window_ms: Annotated[int, msgspec.Meta(ge=100, le=3_600_000)] = 10_000
    streams: tuple[StreamSpec, ...] = ()
    reflectors: tuple[ReflectorSpec, ...] = ()
    local: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class StampKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HMAC keys of an agent's authenticated streams: one for each pair of agents, each way.

    `epoch` is that of the controller's newest secret; `probing` has the key to each destination
    address that is ready for it, `answering` the keys of each source address, newest first.
    Secret: they travel and are kept beside a plan, never in one.
    """

    epoch: Epoch
    probing: dict[str, bytes] = {}
    answering: dict[str, tuple[bytes, ...]] = {}

    def __repr__(self) -> str:
        return f"StampKeys(epoch {self.epoch})"


class Curtailment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one rule of the owner's policy takes from the plan: streams, or senders that a
    reflector was to answer."""

    rule: PolicyRule
    action: Literal["refused", "throttled"]
    streams: Count = 0
    senders: Count = 0


class CurtailedStream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stream that the owner's policy refuses, or slows to `interval_ms`."""

    stream_id: StreamId
    rule: PolicyRule
    action: Literal["refused", "throttled"]
    interval_ms: IntervalMs | None = None


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a reflector of the plan does not answer, from_ns ≤ t < to_ns (null: still), and why.

    `senders` are peers as in the plan, everybody where empty; times are those of the agent's clock.
    """

    address: Annotated[str, msgspec.Meta(max_length=64)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    rule: UnansweredRule
    from_ns: Instant
    to_ns: Instant | None = None
    senders: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=64)], ...], msgspec.Meta(max_length=100_000)
    ] = ()


DropReason = Literal[
    "too_old",
    "no_room",
    "disk",
    "refused",
    "measured_twice",
    "unencodable",
    "cut_off",
    "damaged",
    "unknown",
]


class Dropped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Results and probes that will never be stored, by kind.

    too_old, no_room: beyond the spool's age or bytes; disk: the disk failed for longer than memory
    lasted; refused: by the controller, for good; measured_twice: another agent of this name
    measured that time and is stored; unencodable: a defect of ours; cut_off: the agent ended
    without warning, with windows that were open or not yet on disk; damaged: the spool was, and
    they could not be read any more; unknown: the controller may have them, and will not say.
    """

    reason: DropReason
    counts: Counts


class Totals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The counters of an agent since its state directory was first used: of `probes`, and of the
    results of each kind of section by its name.

    What was `made` is counted where it happens, `waiting` and `dropped` by the spool:
    made = stored by the controller + waiting + dropped, and probes in windows still open.
    `behind`: a power cut may have taken the last seconds of what was made.
    """

    made: Counts
    waiting: Counts
    dropped: Annotated[tuple[Dropped, ...], msgspec.Meta(max_length=16)] = ()
    behind: bool = False


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an agent is. Sent on connection and every few seconds; absent fields are unknown."""

    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}$")]
    boot: BootId
    started_ns: Instant
    sent_ns: Instant
    plan_version: Count | None = None
    streams: Count = 0
    timestamping: Literal["none", "user", "kernel", "hardware"] = "none"
    calibration_ns: DelayNs | None = None
    clock_source: Word = "unknown"
    clock_bound_ns: Count | None = None
    clock_age_ms: Count | None = None  # since the source was last asked
    clock_steps: Count = 0  # of the wall clock, since the agent started
    probes_sent: Count = 0
    probes_received: Count = 0
    # By counters of windows: not sent by cause, unread, discarded, dscp_changed; 0 left out.
    shortfalls: Annotated[dict[Word, Count], msgspec.Meta(max_length=64)] = {}
    probes_reflected: Count = 0
    spool_chunks: Count = 0
    spool_bytes: Count = 0
    spool_dropped_windows: Count = 0
    cpu_ratio: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    resident_bytes: Count | None = None
    conditions: Annotated[tuple[Condition, ...], msgspec.Meta(max_length=MAX_CONDITIONS)] = ()
    totals: Totals | None = None
    curtailed: Annotated[tuple[Curtailment, ...], msgspec.Meta(max_length=64)] = ()
    # ReflectorCounters; None: nothing is reflected
    reflector: Annotated[dict[Word, Count], msgspec.Meta(max_length=64)] | None = None
    # Of the keys that are answered to.
    stamp_epoch: Epoch | msgspec.UnsetType = msgspec.UNSET


class HealthReport(
    msgspec.Struct, frozen=True, kw_only=True, tag="health", forbid_unknown_fields=True
):
    """Any later message of an agent."""

    health: Health


class Curtailed(
    msgspec.Struct, frozen=True, kw_only=True, tag="curtailed", forbid_unknown_fields=True
):
    """Every stream that the owner's policy curtails now, and whose requests are not answered.

    Sent after Hello and on every change. Of the latter also what was of late, so that a time in
    which nobody answered is known however long the controller was away.
    """

    plan_version: Count
    streams: Annotated[tuple[CurtailedStream, ...], msgspec.Meta(max_length=MAX_CURTAILED_STREAMS)]
    unanswered: Annotated[tuple[Unanswered, ...], msgspec.Meta(max_length=MAX_UNANSWERED)] = ()


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello", forbid_unknown_fields=True):
    """First message of an agent; its only one where it is the `last` before the agent ends.

    Then it holds what is `curtailed` in the end, so that both arrive or neither.
    """

    schema: Count
    agent: AgentName
    health: Health
    last: bool = False
    curtailed: Curtailed | None = None


class PlanPush(msgspec.Struct, frozen=True, kw_only=True, tag="plan", forbid_unknown_fields=True):
    """The controller's answer to Hello, and again whenever the plan changes.

    `signature` (Ed25519, hexadecimal) is over the bytes of `plan` and `keys` as they are in the
    message; see `messages.enrolment.plan_message`. Empty on the owner's socket, where no key was
    pinned. `keys` are absent where no stream of the plan is authenticated. `claim` shows that this
    is the agent of its name that is heard; it goes with every chunk as CLAIM_HEADER.
    """

    plan: Plan
    keys: StampKeys | msgspec.UnsetType = msgspec.UNSET
    signature: str = ""
    claim: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,64}$")] = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal", forbid_unknown_fields=True):
    """The controller will not have this agent; the agent waits `retry_s` before it asks again.

    `another`: because an agent of the same name is running elsewhere, and is heard; `copy`: that
    one has the same boot id, so this agent (its memory was copied) takes a new one.
    """

    text: Text
    duplicate: bool = False
    copy: bool = False
    retry_s: Amount


ControlFromAgent = Hello | HealthReport | Curtailed
ControlFromController = PlanPush | Refusal


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of the 200 answer to a chunk: it is committed.

    `duplicate`: it was before. To a chunk without results: whether results are stored under its
    name.
    """

    sequence: Count
    duplicate: bool = False
