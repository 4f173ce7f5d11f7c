"""What is asked of each path: the limits of every target, and what geography says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec
import numpy as np

from topology import geo
from topology.model import Demand, Distance, Path, PlannedStream, Target
from topology.network import Network
from topology.selection import path_table, select, site_matches

_NS_PER_MS = 1e6
_JUDGED_KINDS = frozenset({"delay", "loss", "delay_ratio", "variation"})


def demands(network: Network, streams: Sequence[PlannedStream]) -> tuple[Demand, ...]:
    """Return each target on each planned path that it selects, by target, then by path.

    Kinds improvement (which needs a sealed baseline), one_hop and inventory make none.
    """
    table = path_table(network, streams)
    made: list[Demand] = []
    for target in network.targets:
        if target.kind not in _JUDGED_KINDS:
            continue
        for row in np.flatnonzero(select(target, network, table)):
            path = table.paths[row]
            distance = network.distance(path.source.site, path.destination.site)
            if target.kind == "delay_ratio" and distance.theoretical_ns <= 0:
                continue  # two sites of one place: no theoretical delay to compare with
            made.append(_demand(target, path, distance))
    return tuple(made)


def _demand(target: Target, path: Path, distance: Distance) -> Demand:
    if target.kind == "loss":
        return Demand(target=target, path=path, distance=distance, limit_ratio=target.limit_ratio)
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
    """A figure that cannot be probed, as a site declares it."""

    site: str
    value: float
    unit: str | None = None


def declared(network: Network, target: Target) -> tuple[Declared, ...]:
    """Return what the sites that a target names declare for its `indicator`; else nothing.

    One-hop links are declared like inventory: 1 for a direct link, 0 for none. A site that
    declares nothing is left out: unknown is not zero.
    """
    if target.indicator is None:
        return ()
    chosen = [target.from_, target.to] if target.from_ or target.to else [target.between]
    return tuple(
        Declared(site=site.name, value=site.inventory[target.indicator], unit=target.unit)
        for site in network.sites.values()
        if target.indicator in site.inventory
        and site_matches(target.between, site)
        and any(ends is not None and site_matches(ends, site) for ends in chosen)
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
