"""Which path another is compared with: the ordinary one beside a channel, IPv4 beside IPv6."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from topology.model import Ends, Path, Site, Target
from topology.network import Network
from topology.selection import PathTable, select, site_matches


def reference_paths(
    target: Target, network: Network, table: PathTable, rows: list[int]
) -> Iterator[tuple[int, Path | None]]:
    """Yield the rows that are judged, each with the path it is compared with, if there is one.

    `rows` are the paths that the target selects. Of kind ipv6_parity the IPv6 paths are judged,
    each beside the IPv4 path of the same sites and carriers.
    """
    if target.kind == "ipv6_parity":
        yield from _other_family(table, rows)
    elif target.kind == "comparison":
        yield from _ordinary(target, network, table, rows)
    else:
        yield from ((row, None) for row in rows)


def _other_family(table: PathTable, rows: list[int]) -> Iterator[tuple[int, Path | None]]:
    known = {(*_family_free(table.paths[row]), _version(table, row)): row for row in rows}
    for row in rows:
        path = table.paths[row]
        other = known.get((*_family_free(path), 10 - path.source.ip_version))
        if path.source.ip_version == 6:
            yield row, None if other is None else table.paths[other]


def ipv4_alone(network: Network, table: PathTable) -> dict[str, int]:
    """Return how many IPv4 paths no IPv6 path is beside, by target of kind ipv6_parity.

    They are not judged: an IPv4 network has nothing to be compared. But they are not fine either.
    """
    alone: dict[str, int] = {}
    for target in network.targets:
        if target.kind == "ipv6_parity":
            rows = np.flatnonzero(select(target, network, table)).tolist()
            old = sum(_version(table, row) == 4 for row in rows)
            beside = sum(other is not None for _, other in _other_family(table, rows))
            alone[target.name] = old - beside
    return alone


def _version(table: PathTable, row: int) -> int:
    return table.paths[row].source.ip_version


def _family_free(path: Path) -> tuple[str, str, str, str]:
    a, b = path.source, path.destination
    return a.site, a.carrier, b.site, b.carrier


def _ordinary(
    target: Target, network: Network, table: PathTable, rows: list[int]
) -> Iterator[tuple[int, Path | None]]:
    """Pair each row with the path of `against` between the same two cities over the same IP.

    Of several, one on the same carriers is preferred, then the first that is planned.
    """
    against = target.against or Ends()
    names = {name: site_matches(against, site) for name, site in network.sites.items()}
    found: dict[tuple[str, str, int], list[Path]] = {}
    for number in np.flatnonzero(_measured(target, table)).tolist():
        path = table.paths[number]
        ends = (path.source, path.destination)
        if all(names[end.site] for end in ends) and all(
            not against.carriers or end.carrier in against.carriers for end in ends
        ):
            found.setdefault(_cities(network.sites, path), []).append(path)
    for row in rows:
        path = table.paths[row]
        others = [other for other in found.get(_cities(network.sites, path), ()) if other != path]
        yield row, min(others, key=lambda other: _unlike(other, path), default=None)


def _measured(target: Target, table: PathTable) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    measured = np.zeros(len(table.paths), np.bool_)
    for protocol in target.protocols:
        measured |= table.protocols[protocol]
    return measured


def _cities(sites: Mapping[str, Site], path: Path) -> tuple[str, str, int]:
    return sites[path.source.site].city, sites[path.destination.site].city, path.source.ip_version


def _unlike(other: Path, path: Path) -> int:
    """Return on how many ends the carriers differ."""
    return (other.source.carrier != path.source.carrier) + (
        other.destination.carrier != path.destination.carrier
    )
