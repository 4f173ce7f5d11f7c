"""The parts of the controller's API that the terminal shows (docs/reference/api.md).

New fields of a newer controller are ignored, missing fields are absent: a terminal may be older or
newer than the controller it watches. Absent is None (null), never 0.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

import msgspec

from tui.errors import Language

VerdictName = Literal["pass", "fail", "undecided", "impossible", "no_data"]
T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all: immutable, tolerant of new fields."""


class Title(Document, frozen=True, kw_only=True):
    """A text in both languages."""

    en: str = ""
    zh: str = ""

    def pick(self, language: Language) -> str:
        """Return the text in `language`, or in the other one if it is empty."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)


class Listing(Document, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    next: str | None = None


class StoreHealth(Document, frozen=True, kw_only=True):
    """How the controller's store is; `reason` where it is not ok."""

    state: str = "ok"
    reason: Title | None = None


class Health(Document, frozen=True, kw_only=True):
    """State of the controller."""

    version: str = ""
    started_ns: int | None = None
    now_ns: int | None = None
    revision: int | None = None
    judged_ns: int | None = None
    store: StoreHealth | None = None
    campaigns: dict[str, int] = {}
    warnings: list[Title] = []


class Site(Document, frozen=True, kw_only=True):
    """A place."""

    name: str
    title: Title = Title()
    city: str | None = None
    metro: str | None = None
    province: str | None = None
    hub: str | None = None
    roles: list[str] = []
    important: bool = False
    external: bool = False
    agent_state: str | None = None
    inventory: dict[str, float] = {}


class Condition(Document, frozen=True, kw_only=True):
    """Something about an agent that a person should know."""

    code: str = ""
    severity: str = "info"
    text: Title = Title()


class AgentHealth(Document, frozen=True, kw_only=True):
    """How an agent says it is."""

    version: str | None = None
    plan_version: int | None = None
    streams: int | None = None
    stamping: str | None = None
    clock_source: str | None = None
    clock_bound_ns: float | None = None
    spool_chunks: int | None = None
    spool_bytes: int | None = None
    spool_dropped_windows: int | None = None
    cpu_ratio: float | None = None
    resident_bytes: int | None = None
    conditions: list[Condition] = []


class SiteClock(Document, frozen=True, kw_only=True):
    """What the mesh of sites says of an agent's clock."""

    suspected: bool = False
    offset_ns: float | None = None
    error_ns: float | None = None
    pairs: int = 0
    triangles: int = 0


class Agent(Document, frozen=True, kw_only=True):
    """An agent with its last health, and what other sites say of its clock."""

    name: str
    state: str = "never_seen"
    last_seen_ns: int | None = None
    plan_version: int | None = None
    wanted_plan_version: int | None = None
    last_window_ns: int | None = None
    windows_stored: int | None = None
    health: AgentHealth | None = None
    clock: SiteClock | None = None


class Counts(Document, frozen=True, kw_only=True):
    """Paths of a target by verdict."""

    passed: int = msgspec.field(default=0, name="pass")
    failed: int = msgspec.field(default=0, name="fail")
    undecided: int = 0
    impossible: int = 0
    no_data: int = 0


class Compliance(Document, frozen=True, kw_only=True):
    """Passed over decided pairs, and the range when undecided count against or for."""

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    decided: int = 0
    passed: int = 0


class SourceDocument(Document, frozen=True, kw_only=True):
    """Where a target is published."""

    document: Title | None = None
    issuer: Title | None = None
    year: int | None = None
    clause: Title | None = None


class Declared(Document, frozen=True, kw_only=True):
    """An inventory figure that the site file declares; nobody measured it."""

    site: str
    value: float | bool | None = None
    unit: str | None = None
    other_site: str | None = None


class Target(Document, frozen=True, kw_only=True):
    """A demand with its counts and compliance."""

    name: str
    title: Title = Title()
    source: SourceDocument | None = None
    kind: str = "delay"
    statistic: str | None = None
    direction: str | None = None
    direction_stated: bool = False
    limit_ms: float | None = None
    limit_ratio: float | None = None
    goals: dict[str, float] = {}
    counts: Counts = Counts()
    paths: int | None = None
    compliance: Compliance | None = None
    goal_verdict: dict[str, str] = {}
    declared: list[Declared] = []
    group: str | None = None
    ipv4_alone: int = 0


class Group(Document, frozen=True, kw_only=True):
    """Targets that share one compliance rate over pairs of sites."""

    name: str
    title: Title = Title()
    source: SourceDocument | None = None
    targets: list[str] = []
    pairs: int | None = None
    paths: int | None = None
    counts: Counts = Counts()
    compliance: Compliance | None = None
    goals: dict[str, float] = {}
    goal_verdict: dict[str, str] = {}


class RemedyPath(Document, frozen=True, kw_only=True):
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


class RemedyShare(Document, frozen=True, kw_only=True):
    """How many listed paths have to do with one site or pair of carriers."""

    name: str
    paths: int = 0


class Remedy(Document, frozen=True, kw_only=True):
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
    paths: list[RemedyPath] = []
    by_carrier: list[RemedyShare] = []
    by_site: list[RemedyShare] = []


class RingSite(Document, frozen=True, kw_only=True):
    """One site's place in a ring."""

    site: str
    great_circle_km: float | None = None
    floor_ns: float | None = None
    margin_km: float | None = None
    reachable: bool = False
    by_road: bool = False


class Ring(Document, frozen=True, kw_only=True):
    """Which sites could ever be within a target's limit of `centre`."""

    target: str
    limit_ms: float | None = None
    centre: str = ""
    centres: list[str] = []
    sites: list[RingSite] = []


class End(Document, frozen=True, kw_only=True):
    """One end of a path."""

    site: str
    interface: str = ""
    carrier: str = ""
    address: str = ""


class Distance(Document, frozen=True, kw_only=True):
    """How far apart the ends are and what light needs for it."""

    great_circle_km: float | None = None
    road_km: float | None = None
    road_uncertainty_ratio: float | None = None
    given: bool = False
    floor_ns: float | None = None
    theoretical_ns: float | None = None


class StreamLine(Document, frozen=True, kw_only=True):
    """A planned stream of a path."""

    stream_id: int | str
    protocol: str = ""
    type_p: str | None = None
    interval_ms: float | None = None


class Figures(Document, frozen=True, kw_only=True):
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
    stamping: str | None = None
    last_window_ns: int | None = None


class Path(Document, frozen=True, kw_only=True):
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


class OtherReading(Document, frozen=True, kw_only=True):
    """The same limit read in the other direction."""

    direction: str
    measured: float | None = None


class Verdict(Document, frozen=True, kw_only=True):
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
    deciding_term: str | None = None
    reason: Title = Title()
    since_ns: int | None = None
    judged_ns: int | None = None
    pending: str | None = None
    position: float | None = None


class FlowFigures(Document, frozen=True, kw_only=True):
    """One flow (5-tuple) of a stream in one window."""

    flow: int
    sent: int | None = None
    lost: int | None = None
    rtt_p50_ns: float | None = None


class Window(Document, frozen=True, kw_only=True):
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
    local_drop: int | None = None
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
    stamping: str | None = None
    suspect: bool | int | str | list[str] | None = None
    flows: list[FlowFigures] | None = None


class Event(Document, frozen=True, kw_only=True):
    """A message of the event stream."""

    type: str
    revision: int | None = None
