"""What is asked of each path: the limits of every target, and what geography says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec
import numpy as np

from topology import geo
from topology.model import Demand, Distance, Path, PlannedStream, Target
from topology.network import Network
from topology.reference_paths import reference_paths
from topology.selection import MEASURED_KINDS, path_table, select, site_matches

_NS_PER_MS = 1e6
_COMPARED_KINDS = frozenset({"improvement", "comparison", "ipv6_parity"})
DEFAULT_RATIO = {"comparison": 1.0, "ipv6_parity": 1.05}


def demands(network: Network, streams: Sequence[PlannedStream]) -> tuple[Demand, ...]:
    """Return each target on each planned path that it selects, by target, then by path.

    Kinds one_hop and inventory make none.
    """
    table = path_table(network, streams)
    made: list[Demand] = []
    for target in network.targets:
        if target.kind not in MEASURED_KINDS:
            continue
        rows = np.flatnonzero(select(target, network, table)).tolist()
        for row, other in reference_paths(target, network, table, rows):
            path = table.paths[row]
            distance = network.distance(path.source.site, path.destination.site)
            if target.kind == "delay_ratio" and distance.theoretical_ns <= 0:
                continue  # two sites of one place: no theoretical delay to compare with
            made.append(_demand(target, path, distance, other))
    return tuple(made)


def _demand(target: Target, path: Path, distance: Distance, other: Path | None) -> Demand:
    if target.kind == "loss" or target.kind in _COMPARED_KINDS:
        return Demand(
            target=target, path=path, distance=distance, limit_ratio=_ratio(target), other=other
        )
    low, limit, high = limits_ns(target, distance)
    ratio = target.kind == "delay_ratio"
    return Demand(
        target=target,
        path=path,
        distance=distance,
        limit_ns=limit,
        limit_low_ns=low if ratio else None,
        limit_high_ns=high if ratio else None,
        impossible=target.kind != "variation" and high < floor_ns(target, distance),
    )


def _ratio(target: Target) -> float | None:
    """Return what measured over reference may be at most; of kind loss the loss ratio itself."""
    if target.kind == "improvement" and target.limit_ratio is not None:
        return 1 - target.limit_ratio
    return limit_ratio_of(target)


def limit_ratio_of(target: Target) -> float | None:
    """Return the ratio as the target states it, or that of its kind where it states none."""
    return DEFAULT_RATIO.get(target.kind) if target.limit_ratio is None else target.limit_ratio


def limits_ns(target: Target, distance: Distance) -> tuple[float, float, float]:
    """Return the least, the likely and the greatest limit of a delay target, in nanoseconds.

    They differ for kind delay_ratio alone: ratio × theoretical delay (twice that for a round
    trip), with the road's own uncertainty.
    """
    if target.kind != "delay_ratio":
        assert target.limit_ms is not None  # checked when the file was read
        limit = target.limit_ms * _NS_PER_MS
        return limit, limit, limit
    assert target.limit_ratio is not None
    limit = target.limit_ratio * distance.theoretical_ns * _ways(target)
    spread = distance.road_uncertainty_ratio
    return limit * (1 - spread), limit, limit * (1 + spread)


def floor_ns(target: Target, distance: Distance) -> float:
    """Return what no delay in the target's direction can be below, in nanoseconds."""
    return distance.floor_ns * _ways(target)


def _ways(target: Target) -> int:
    return 2 if target.direction == "round_trip" else 1


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that cannot be probed, as a site declares it, or of a pair with `other_site`."""

    site: str
    value: float
    unit: str | None = None
    other_site: str | None = None


def declared(network: Network, target: Target) -> tuple[Declared, ...]:
    """Return what the sites that a target names declare for its `indicator`; else nothing.

    One-hop links are declared by pair ([[link]]), or by site like inventory: 1 for a direct link, 0
    for none. What nobody declares is left out: unknown is not zero.
    """
    pairs = _declared_links(network, target) if target.kind == "one_hop" else ()
    if target.indicator is None:
        return pairs
    chosen = [target.from_, target.to] if target.from_ or target.to else [target.between]
    return pairs + tuple(
        Declared(site=site.name, value=site.inventory[target.indicator], unit=target.unit)
        for site in network.sites.values()
        if target.indicator in site.inventory
        and site_matches(target.between, site)
        and any(ends is not None and site_matches(ends, site) for ends in chosen)
    )


def _declared_links(network: Network, target: Target) -> tuple[Declared, ...]:
    """Return the declared links both of whose ends the target names, either way round."""

    def named(first: str, second: str) -> bool:
        a, b = network.sites[first], network.sites[second]
        within = site_matches(target.between, a) and site_matches(target.between, b)
        return (
            within
            and (target.from_ is None or site_matches(target.from_, a))
            and (target.to is None or site_matches(target.to, b))
        )

    return tuple(
        Declared(site=a, other_site=b, value=float(link.one_hop))
        for link in network.links
        for a, b in [link.between]
        if named(a, b) or named(b, a)
    )


def ring_centres(network: Network, target: Target) -> tuple[str, ...]:
    """Return the sites a ring of this target may be drawn around: what `to` names, or all ends."""
    ends = target.to or target.from_ or target.between
    return tuple(
        name
        for name, site in network.sites.items()
        if site_matches(ends, site) and site_matches(target.between, site)
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RingPlace:
    """Whether a site could ever be within a limit of another, by geography alone.

    `margin_km` is fibre that a route may waste beyond the straight line (negative: out of
    reach however it is built); `reachable` follows from it; `by_road` says whether the road
    distance, too, is within reach.
    """

    site: str
    great_circle_km: float
    margin_km: float
    reachable: bool
    by_road: bool


def reachable_ring(
    network: Network, centre: str, limit_ms: float, *, round_trip: bool = False
) -> tuple[RingPlace, ...]:
    """Return every other site's place in the ring of `limit_ms` around `centre`, nearest first."""
    one_way_ns = limit_ms * _NS_PER_MS / (2 if round_trip else 1)
    ring = []
    for name in network.sites:
        if name == centre:
            continue
        distance = network.distance(centre, name)
        margin_km = geo.reach_km(one_way_ns - distance.floor_ns, network.settings.floor_us_per_km)
        ring.append(
            RingPlace(
                site=name,
                great_circle_km=distance.great_circle_km,
                margin_km=margin_km,
                reachable=margin_km >= 0,
                by_road=distance.theoretical_ns <= one_way_ns,
            )
        )
    return tuple(sorted(ring, key=lambda place: (place.great_circle_km, place.site)))
