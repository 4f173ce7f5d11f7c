"""The network as a whole: what load_network returns and every other room asks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from foundation.number_types import LARGEST, Rate, TimeoutMs
from foundation.text import Text
from probes.stream import DEFAULT_TIMEOUT_MS, ProtocolName
from topology import geo
from topology.model import Distance, Ends, Name, Site, Target

Dscp = Annotated[int, msgspec.Meta(ge=0, le=63)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Ratio = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class StreamChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[mesh.stream]]: the Type-P and pacing measured on each path of a mesh.

    `destinations` narrows it to sites with an agent, or to external ones (a router answers ICMP
    but no STAMP), so that one mesh can choose the protocol for each path. `authenticated` is
    STAMP's authenticated mode, with keys that only the two agents of a path have.
    """

    protocol: ProtocolName
    interval_ms: Annotated[float, msgspec.Meta(ge=1, le=3_600_000)] = 1000.0
    # Absent: the protocol's usual size: 64 for udp (152 if authenticated), 44 for icmp.
    payload_bytes: Annotated[int, msgspec.Meta(ge=0, le=65_000)] | None = None
    dscp: Dscp = 0
    port: Port | None = None  # absent: the protocol's: 862 for udp (STAMP), 443 for tcp
    flows: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS
    destinations: Literal["any", "agents", "external"] = "any"
    authenticated: bool = False


# A router or landmark answers no STAMP: its silence would count as loss.
DEFAULT_STREAMS = (
    StreamChoice(protocol="icmp"),
    StreamChoice(protocol="udp", destinations="agents"),
)


class Mesh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[mesh]]: which sites probe which.

    kind: ``full`` every pair of `members`; ``disjoint`` every pair with one end in `a` and the
    other in `b`, none within; ``list`` the `pairs`. `one_way` keeps the direction as written:
    a to b, first to second of a pair, or (full) earlier to later in the file. `exclude` takes
    pairs out, either way. `carriers` says which interfaces of two sites are paired. `peers` bounds
    a mesh that is too large: each site is measured against at least so many others (see
    `topology.mesh_subset`); absent: against all.
    """

    name: Name
    kind: Literal["full", "disjoint", "list"] = "full"
    members: Ends = Ends()
    a: Ends | None = None
    b: Ends | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    exclude: tuple[tuple[str, str], ...] = ()
    one_way: bool = False
    ip_versions: tuple[Literal[4, 6], ...] = (4, 6)
    carriers: Literal["same", "different", "all"] = "all"
    peers: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)] | None = None
    stream: tuple[StreamChoice, ...] = DEFAULT_STREAMS


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [settings] of a site file: the physics it wants to be judged by (geo says why)."""

    floor_us_per_km: Annotated[float, msgspec.Meta(ge=geo.VACUUM_US_PER_KM, le=5.0)] = (
        geo.FLOOR_US_PER_KM
    )
    theoretical_us_per_km: Annotated[float, msgspec.Meta(ge=geo.VACUUM_US_PER_KM, le=6.0)] = (
        geo.THEORETICAL_US_PER_KM
    )
    road_factor: Annotated[float, msgspec.Meta(ge=1, le=3)] = geo.ROAD_FACTOR
    road_uncertainty_ratio: Ratio = geo.ROAD_UNCERTAINTY_RATIO


class Road(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[distance]]: what is known of the way between two sites, in both directions."""

    between: tuple[str, str]
    road_km: Annotated[float, msgspec.Meta(ge=0.001, le=40_000)] | None = None
    uncertainty_ratio: Ratio = geo.GIVEN_UNCERTAINTY_RATIO
    floor_us_per_km: Annotated[float, msgspec.Meta(ge=geo.VACUUM_US_PER_KM, le=5.0)] | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The [budget] of a site file: what campaigns may bring a part of the network to, in probes
    sent and bits of whole IP packets per second.

    `agent`: all that one agent sends; `pair`: from one agent to one address; `destination`: from
    all agents to one address. The defaults are what owners of agents allow unless they say
    otherwise (docs/reference/agent-config.md).
    """

    agent_packets_per_s: Rate = 10_000.0
    agent_bits_per_s: Rate = 20e6
    pair_packets_per_s: Rate = 200.0
    pair_bits_per_s: Rate = 1e6
    destination_packets_per_s: Rate = 20_000.0
    destination_bits_per_s: Rate = 100e6


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[link]]: whether two sites are one hop apart, as their operator declares it."""

    between: tuple[str, str]
    one_hop: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Sites, carriers, meshes and targets, checked; `warnings` tell what was odd but allowed.

    `year` chooses which of the goals count now; absent: all are shown. `carriers` holds the
    titles of every carrier in use. Sites keep the order of the file. `text` is the site file's own.
    """

    name: str
    title: Text
    year: int | None = None
    sites: Mapping[str, Site]
    carriers: Mapping[str, Text] = dataclasses.field(default_factory=dict)
    meshes: tuple[Mesh, ...] = ()
    targets: tuple[Target, ...] = ()
    warnings: tuple[Text, ...] = ()
    settings: Settings = dataclasses.field(default_factory=Settings)
    budget: Budget = dataclasses.field(default_factory=Budget)
    roads: Mapping[tuple[str, str], Road] = dataclasses.field(default_factory=dict)
    links: tuple[Link, ...] = ()
    text: str = dataclasses.field(default="", repr=False, compare=False)

    @functools.cached_property
    def site_index(self) -> Mapping[str, int]:
        """The number of each site in file order: the row of `great_circle_matrix_km`."""
        return {name: i for i, name in enumerate(self.sites)}

    @functools.cached_property
    def great_circle_matrix_km(self) -> NDArray[np.float64]:
        """Great-circle distance of every pair of sites, f64[n, n], in kilometres."""
        return geo.great_circle_matrix_km(
            [s.latitude_deg for s in self.sites.values()],
            [s.longitude_deg for s in self.sites.values()],
        )

    def distance(self, a: str, b: str) -> Distance:
        """Return how far apart two sites are; the same both ways. KeyError for unknown names."""
        key = (a, b) if a <= b else (b, a)
        known = self._distances.get(key)
        if known is None:
            known = self._distances[key] = self._measure(*key)
        return known

    @functools.cached_property
    def _distances(self) -> dict[tuple[str, str], Distance]:
        return {}

    def _measure(self, a: str, b: str) -> Distance:
        index = self.site_index
        great_circle_km = float(self.great_circle_matrix_km[index[a], index[b]])
        open_km = self.sites[a].position_uncertainty_km + self.sites[b].position_uncertainty_km
        road = self.roads.get((a, b))
        floor_us_per_km = self.settings.floor_us_per_km
        if road is not None and road.floor_us_per_km is not None:
            floor_us_per_km = road.floor_us_per_km
        given = road is not None and road.road_km is not None
        if road is not None and road.road_km is not None:
            road_km, uncertainty = road.road_km, road.uncertainty_ratio
        else:
            road_km = great_circle_km * self.settings.road_factor
            uncertainty = self._estimate_uncertainty(great_circle_km, open_km)
        return Distance(
            great_circle_km=great_circle_km,
            road_km=road_km,
            road_uncertainty_ratio=uncertainty,
            given=given,
            floor_ns=geo.light_ns(max(0.0, great_circle_km - open_km), floor_us_per_km),
            theoretical_ns=geo.light_ns(road_km, self.settings.theoretical_us_per_km),
        )

    def _estimate_uncertainty(self, great_circle_km: float, open_km: float) -> float:
        """Return the relative uncertainty of an estimated road: of the factor and the places."""
        own = self.settings.road_uncertainty_ratio
        if great_circle_km <= 0:
            return own
        return min(0.99, float(np.hypot(own, open_km / great_circle_km)))
