"""Places of things by name, made once at start: paths, their streams and their demands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.store.records import StreamRecord
from topology.model import Demand, Path, PlannedStream
from topology.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """n streams, m demands, p paths in fixed orders, and where to find one from another.

    paths: every path that has a stream or a demand. streams_of[p], demands_of[p]: rows of the
    streams and demands of path p. demand_target, demand_path, demand_source,
    demand_destination int64[m]: numbers of the target, path and sites of each demand.
    stream_id uint64[n]; stream_path, stream_source int64[n]: numbers of the path and of the
    sender's site.
    recorded: every stream ever planned, by path, so that old windows stay readable.
    """

    paths: tuple[Path, ...]
    path_number: dict[str, int]
    streams_of: tuple[tuple[int, ...], ...]
    demands_of: tuple[tuple[int, ...], ...]
    target_number: dict[str, int]
    site_number: dict[str, int]
    demand_target: NDArray[np.int64]
    demand_path: NDArray[np.int64]
    demand_source: NDArray[np.int64]
    demand_destination: NDArray[np.int64]
    stream_id: NDArray[np.uint64]
    stream_path: NDArray[np.int64]
    stream_source: NDArray[np.int64]
    recorded: dict[str, tuple[StreamRecord, ...]]


def catalogue_of(
    network: Network,
    streams: Sequence[PlannedStream],
    demands: Sequence[Demand],
    recorded: Iterable[StreamRecord],
) -> Catalogue:
    """Return the places of everything."""
    paths = {item.path.id: item.path for item in streams}
    paths |= {item.path.id: item.path for item in demands if item.path.id not in paths}
    path_number = {name: number for number, name in enumerate(paths)}
    target_number = {target.name: number for number, target in enumerate(network.targets)}
    site_number = {name: number for number, name in enumerate(network.sites)}
    by_path: dict[str, list[StreamRecord]] = {}
    for record in recorded:
        by_path.setdefault(record.path, []).append(record)
    return Catalogue(
        paths=tuple(paths.values()),
        path_number=path_number,
        streams_of=_grouped([path_number[item.path.id] for item in streams], len(paths)),
        demands_of=_grouped([path_number[item.path.id] for item in demands], len(paths)),
        target_number=target_number,
        site_number=site_number,
        demand_target=_numbers(target_number[item.target.name] for item in demands),
        demand_path=_numbers(path_number[item.path.id] for item in demands),
        demand_source=_numbers(site_number[item.path.source.site] for item in demands),
        demand_destination=_numbers(site_number[item.path.destination.site] for item in demands),
        stream_id=np.array([item.stream_id for item in streams], np.uint64),
        stream_path=_numbers(path_number[item.path.id] for item in streams),
        stream_source=_numbers(site_number[item.path.source.site] for item in streams),
        recorded={path: tuple(records) for path, records in by_path.items()},
    )


def _numbers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(values), np.int64)


def _grouped(group: Sequence[int], groups: int) -> tuple[tuple[int, ...], ...]:
    members: list[list[int]] = [[] for _ in range(groups)]
    for row, number in enumerate(group):
        members[number].append(row)
    return tuple(tuple(rows) for rows in members)
