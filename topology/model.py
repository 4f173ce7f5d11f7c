"""The words of the map: sites, interfaces, paths, targets, demands."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foundation.text import Text
from probes.protocols.registry import names_by_rank
from probes.stream import ProtocolName, TypeP

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]

Limit = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]  # its sign is judged by kind

Role = Literal[
    "data_centre",
    "exchange_point",
    "core_node",
    "international_channel",
    "ordinary_internet",  # far or near end of the comparison path beside a dedicated channel
    "landmark",
]
Direction = Literal["one_way", "round_trip"]
Statistic = Literal["p50", "p90", "p95", "p99", "p999", "mean", "max"]
VerdictName = Literal["pass", "fail", "undecided", "impossible", "no_data"]


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a site on one carrier's network. `id` is ``site.carrier.v4``."""

    id: str
    site: str
    carrier: str
    address: str
    local: str | None = None  # what the machine has in its place behind 1:1 NAT

    @property
    def ip_version(self) -> Literal[4, 6]:
        """4 or 6. (The address was checked when it was read; parsing it again per path is slow.)"""
        return 6 if ":" in self.address else 4


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A place. Region fields are names of the gazetteer or of the site file; absent if unknown."""

    name: str
    title: Text
    latitude_deg: float
    longitude_deg: float
    position_uncertainty_km: float = 0.0  # coordinates of the city stand for the building's
    city: str
    metro: str | None = None
    province: str | None = None
    hub: str | None = None
    roles: frozenset[Role] = frozenset()
    important: bool = False
    external: bool = False  # a router, landmark or far end without an agent of ours
    labels: frozenset[str] = frozenset()
    interfaces: tuple[Interface, ...] = ()
    inventory: dict[str, float] = {}


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """An ordered pair of interfaces of the same IP version; `id` is ``source>destination``."""

    source: Interface
    destination: Interface

    @property
    def id(self) -> str:
        """Return ``site.carrier.v4>site.carrier.v4``."""
        return f"{self.source.id}>{self.destination.id}"

    @property
    def between_carriers(self) -> bool:
        """Return whether the ends are on different carriers' networks."""
        return self.source.carrier != self.destination.carrier


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart two sites are and how sure that is (docs/concepts/measurement.md §7).

    `floor_ns` is light in fibre over the great circle (less what the sites' positions leave open),
    which nothing can beat; `theoretical_ns`
    is light in fibre over the road distance; the road distance is `given` or estimated.
    """

    great_circle_km: float
    road_km: float
    road_uncertainty_ratio: float
    given: bool
    floor_ns: float
    theoretical_ns: float


class PlannedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of the mesh: path × Type-P × pacing, with its stable number."""

    stream_id: int
    path: Path
    type_p: TypeP
    interval_ms: float
    flows: int
    timeout_ms: float


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a target is published."""

    document: Text
    issuer: Text | None = None
    year: Annotated[int, msgspec.Meta(ge=1, le=9999)] | None = None
    clause: Text | None = None


class Ends(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sites a target speaks of: every field given must hold."""

    sites: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    metros: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    labels: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    important: bool | None = None


Relation = Literal[
    "same_city",
    "same_metro",
    "same_province",
    "same_hub",
    "different_city",
    "different_metro",  # also where an end lies in no metropolitan area
    "different_province",  # likewise
    "different_hub",  # likewise
    "same_carrier",
    "different_carrier",
]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A demand of a published plan, or of the user, on every path it selects.

    kind: what is limited.
      delay        `limit_ms` on `statistic` of the delay in `direction`
      loss         `limit_ratio` on the loss ratio (round trip unless `direction` says one way)
      delay_ratio  `limit_ratio` on measured over theoretical delay
      variation    `limit_ms` on `statistic` of the delay variation that `variation` names
      improvement  `limit_ratio` less delay or loss than a sealed baseline
      comparison   delay or loss at most `limit_ratio` × that of the path `against`, paired in time
      ipv6_parity  median delay over IPv6 at most `limit_ratio` × that over IPv4, and loss at most
                   `loss_margin_ratio` above it
      one_hop, inventory   declared in the site file, shown as declared, not measured
    `goals` maps a year to the share of paths that must pass, such as {"2025": 0.85}.
    """

    name: str
    title: Text
    source: Source
    kind: Literal[
        "delay",
        "loss",
        "delay_ratio",
        "variation",
        "improvement",
        "one_hop",
        "inventory",
        "comparison",
        "ipv6_parity",
    ]
    limit_ms: Limit | None = None
    limit_ratio: Limit | None = None
    statistic: Statistic = "p95"
    direction: Direction = "one_way"
    direction_stated: bool = False  # whether the plan itself says which direction
    protocols: tuple[ProtocolName, ...] = names_by_rank()  # the first one measured is judged
    between: Ends = Ends()  # both ends
    from_: Ends | None = msgspec.field(default=None, name="from")
    to: Ends | None = None
    both_ways: bool = True  # `from` and `to` bind the way back as well
    relations: tuple[Relation, ...] = ()
    goals: dict[str, Limit] = {}
    group: str | None = None  # targets of one group share one compliance rate: pairs in any of them
    group_title: Text | None = None  # of the group; the first of its targets that gives one
    indicator: str | None = None  # inventory: the key; improvement, comparison: delay or loss
    # PDV: delay above the least of the period (ITU-T Y.1540); IPDV: between neighbours (RFC 3393)
    variation: Literal["pdv", "ipdv"] = "pdv"
    against: Ends | None = None  # kind comparison: the ends of the path that is compared with
    loss_margin_ratio: Limit = 0.001  # kind ipv6_parity
    max_age_s: Limit | None = None  # beyond, evidence proves nothing of now; by default by window
    unit: str | None = None


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """One target on one path: what the controller judges.

    `limit_ns` is set for kinds delay, variation and delay_ratio (ratio × theoretical delay, doubled
    for a round trip); `limit_ratio` for loss, and for improvement, comparison and ipv6_parity as
    measured over reference (an improvement by 80 % is a ratio of 0.2). `other` is the path that is
    compared with, None if there is none. `impossible` is true where the limit is below the
    light-in-fibre floor in the target's direction, whatever is measured.
    """

    target: Target
    path: Path
    distance: Distance
    limit_ns: float | None = None
    limit_low_ns: float | None = None  # delay_ratio: the limit's own uncertainty (road distance)
    limit_high_ns: float | None = None
    limit_ratio: float | None = None
    impossible: bool = False
    other: Path | None = None
