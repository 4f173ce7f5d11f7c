"""What the API says, declared once: the server encodes these, and OpenAPI is generated from them.

Times are nanoseconds since 1970 (`*_ns`), delays nanoseconds, ratios 0-1; what is unknown is null.
docs/reference/api.md describes each item for people.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from probes.exchange import Health
from probes.text import Text
from topology.model import Direction, Role, Source, Statistic, VerdictName

AgentState = Literal["ok", "late", "agent_down", "never_seen"]
PathState = Literal["ok", "failing", "undecided", "late", "no_data", "agent_down"]
IpVersion = Literal[4, 6]
Protocol = Literal["icmp", "udp", "tcp"]


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in both languages, and what it is about."""

    code: str
    message: Text
    fields: dict[str, Any] = {}


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The one shape of every error."""

    error: ErrorBody


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the store is; `reason` where it is not ok."""

    engine: str
    state: Literal["ok", "full", "failing"]
    reason: Text | None
    queued_writes: int
    size_bytes: int | None
    free_bytes: int | None


class IngestHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the controller started; `refused` by reason code."""

    chunks: int
    windows: int
    duplicates: int
    bytes: int
    refused: dict[str, int]


class ControllerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the controller is. `revision` counts the rounds of judging."""

    version: str
    started_ns: int
    now_ns: int
    revision: int
    judged_ns: int | None
    judge_period_ms: int
    store: StoreHealth
    ingest: IngestHealth
    agents: dict[str, int]
    warnings: tuple[Text, ...] = ()


class InterfaceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a site on one carrier's network."""

    id: str
    carrier: str
    address: str
    ip_version: IpVersion


class SiteDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A place; `agent_state` is ``none`` where no agent of ours is meant to be."""

    name: str
    title: Text
    latitude_deg: float
    longitude_deg: float
    city: str
    metro: str | None
    province: str | None
    hub: str | None
    roles: list[Role]
    important: bool
    external: bool
    labels: list[str]
    interfaces: list[InterfaceDocument]
    agent_state: Literal["ok", "late", "agent_down", "never_seen", "none"]
    inventory: dict[str, float]


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the controller knows it; `health` as the agent last sent it."""

    name: str
    state: AgentState
    last_seen_ns: int | None
    plan_version: int | None
    wanted_plan_version: int
    last_window_ns: int | None
    windows_stored: int
    health: Health | None


class VerdictCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many demands have each verdict."""

    pass_: int = msgspec.field(name="pass")
    fail: int
    undecided: int
    impossible: int
    no_data: int


class ComplianceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Passed over decided; `low` and `high` count what is open against or for. Null: none."""

    ratio: float | None
    low: float | None
    high: float | None
    decided: int
    passed: int


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that a site file declares and no probe measures; of a pair with `other_site`."""

    site: str
    value: float
    unit: str | None
    other_site: str | None = None


class GroupDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Targets that share one compliance rate over pairs of sites.

    A pair complies if each of its paths (both directions, every carrier and IP version) keeps each
    target that binds it. `counts` and `compliance` are of pairs, `paths` counts judged paths and
    `paths_compliance` is their rate.
    """

    name: str
    title: Text
    source: Source
    targets: list[str]
    pairs: int
    paths: int
    counts: VerdictCounts
    compliance: ComplianceDocument | None
    paths_compliance: ComplianceDocument | None
    goals: dict[str, float]
    goal_verdict: dict[str, Literal["pass", "fail", "undecided", "no_data"]]


class TargetDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A published demand, how many paths it selects, and how they fare."""

    name: str
    title: Text
    source: Source
    kind: str
    statistic: Statistic
    direction: Direction
    direction_stated: bool
    limit_ms: float | None
    limit_ratio: float | None
    goals: dict[str, float]
    counts: VerdictCounts
    paths: int
    compliance: ComplianceDocument | None
    goal_verdict: dict[str, Literal["pass", "fail", "undecided", "no_data"]]
    declared: list[Declared]
    group: str | None = None


class RemedyPath(msgspec.Struct, frozen=True, kw_only=True):
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


class RemedyShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the listed paths have to do with one site, or one pair of carriers."""

    name: str
    paths: int


class RemedyDocument(msgspec.Struct, frozen=True, kw_only=True):
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
    paths: list[RemedyPath]
    by_carrier: list[RemedyShare]
    by_site: list[RemedyShare]


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

    stream_id: int
    protocol: Protocol
    type_p: str
    interval_ms: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol's figures on one path over the judged period; null is unknown.

    Quantiles count lost probes as infinite delays, so a quantile that falls among them is null.
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
    stamping: str
    last_window_ns: int | None


class PathDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered pair of interfaces, what runs on it and how it is."""

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


class StreamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A planned stream."""

    stream_id: int
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
    last_window_ns: int | None


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
    """The latest verdict of one target on one path, with its interval and reason."""

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
    deciding_term: str
    reason: Text
    since_ns: int
    judged_ns: int
    pending: VerdictName | None = None
    position: float | None = None
    comparison: ComparisonDocument | None = None


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict became another one; `previous` is null for the first verdict of a demand."""

    id: int
    at_ns: int
    target: str
    path: str
    verdict: VerdictName
    previous: VerdictName | None
    previous_since_ns: int | None


class MatrixCell(msgspec.Struct, frozen=True, kw_only=True):
    """The worst verdict between two sites, over `paths` paths that a target selects."""

    verdict: VerdictName
    paths: int
    measured: float | None
    unit: Literal["ns", "ratio"]


class MatrixDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`cells[i][j]` is from site i to site j; null where nothing is asked of that pair."""

    target: str | None
    sites: list[str]
    cells: list[list[MatrixCell | None]]


class FlowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of a window."""

    flow: int
    sent: int
    lost: int
    rtt_p50_ns: float | None


class WindowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One stream over one interval."""

    start_ns: int
    duration_ns: int
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
    stamping: str
    suspect: bool
    flows: list[FlowDocument]


class VerdictsEvent(msgspec.Struct, frozen=True, kw_only=True, tag="verdicts", tag_field="type"):
    """Verdicts were made anew."""

    revision: int


class BaselineDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed baseline; `used` is the one that improvements are judged against."""

    name: str
    from_ns: int
    to_ns: int
    sealed_ns: int
    digest: str
    streams: int
    paths: list[str]
    type_ps: list[str]
    hours: int
    plan_versions: dict[str, int]
    used: bool


class SitePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sites."""

    items: list[SiteDocument]
    next: str | None = None


class AgentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of agents."""

    items: list[AgentDocument]
    next: str | None = None


class TargetPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of targets."""

    items: list[TargetDocument]
    next: str | None = None


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of groups."""

    items: list[GroupDocument]
    next: str | None = None


class PathPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of paths."""

    items: list[PathDocument]
    next: str | None = None


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of streams."""

    items: list[StreamDocument]
    next: str | None = None


class VerdictPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of verdicts."""

    items: list[VerdictDocument]
    next: str | None = None


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of changes of verdicts, newest first."""

    items: list[ChangeDocument]
    next: str | None = None


class BaselinePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sealed baselines, oldest first."""

    items: list[BaselineDocument]
    next: str | None = None


class WindowPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of windows, oldest first."""

    items: list[WindowDocument]
    next: str | None = None
