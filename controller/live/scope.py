"""What is measured and demanded at a time: put together once for a plan, and never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.fleet.maintenance import PathIndex
from controller.fleet.silences import StreamIndex
from controller.live.catalogue import Catalogue, catalogue_of
from controller.live.groups import Group, groups_of
from controller.store.records import StreamRecord
from topology.model import Demand, PlannedStream
from topology.network import Network
from topology.reference_paths import ipv4_alone
from topology.selection import path_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """n streams and m demands on a network, and the places of everything.

    `permanent` are the streams of the site file's meshes. They are the first of `streams`, where a
    campaign may ask for more of them; what campaigns add stands behind them. So they keep their
    places when campaigns come and go, and demands are judged on them alone. `planned_ns` int64[n]:
    since when each stream is planned, 0 for the permanent ones. `ipv4_alone`: how many IPv4 paths
    of a target no IPv6 path is beside.
    """

    network: Network
    streams: tuple[PlannedStream, ...]
    permanent: tuple[PlannedStream, ...]
    demands: tuple[Demand, ...]
    catalogue: Catalogue
    groups: tuple[Group, ...]
    ipv4_alone: Mapping[str, int]
    planned_ns: NDArray[np.int64]
    window_ns: int
    path_index: PathIndex
    stream_index: StreamIndex

    @property
    def stream_ids(self) -> list[int]:
        """The number of each stream."""
        return [stream.stream_id for stream in self.streams]

    def streams_bound_by(self, targets: Iterable[str]) -> NDArray[np.bool_]:
        """Return the streams on paths that these targets bind; without targets those that any
        binds, and all where none is bound."""
        catalogue, numbers = self.catalogue, self.catalogue.target_number
        chosen = [numbers[name] for name in targets if name in numbers]
        wanted = np.isin(catalogue.demand_target, chosen) if chosen else slice(None)
        paths = catalogue.demand_path[wanted]
        if not len(paths):
            return np.ones(len(self.streams), np.bool_)
        bound: NDArray[np.bool_] = np.isin(catalogue.stream_path, paths)
        return bound

    def planning(
        self,
        streams: tuple[PlannedStream, ...],
        planned_ns: NDArray[np.int64],
        recorded: Iterable[StreamRecord],
    ) -> Scope:
        """Return the scope with other streams behind the permanent ones. Takes its time."""
        catalogue = catalogue_of(self.network, streams, self.demands, recorded)
        return replace(
            self,
            streams=streams,
            catalogue=catalogue,
            planned_ns=planned_ns,
            path_index=PathIndex(catalogue.paths, catalogue.stream_path),
            stream_index=StreamIndex(streams),
        )


def scope_of(
    network: Network,
    streams: tuple[PlannedStream, ...],
    demands: Sequence[Demand],
    *,
    permanent: tuple[PlannedStream, ...] | None = None,
    planned_ns: NDArray[np.int64] | None = None,
    recorded: Iterable[StreamRecord] = (),
    window_ns: int,
) -> Scope:
    """Return the scope of a network; without `permanent` all of its streams are."""
    catalogue = catalogue_of(network, streams, demands, recorded)
    permanent = streams if permanent is None else permanent
    return Scope(
        network=network,
        streams=streams,
        permanent=permanent,
        demands=tuple(demands),
        catalogue=catalogue,
        groups=groups_of(network.targets, catalogue),
        ipv4_alone=ipv4_alone(network, path_table(network, permanent)),
        planned_ns=np.zeros(len(streams), np.int64) if planned_ns is None else planned_ns,
        window_ns=window_ns,
        path_index=PathIndex(catalogue.paths, catalogue.stream_path),
        stream_index=StreamIndex(streams),
    )
