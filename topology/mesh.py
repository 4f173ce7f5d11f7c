"""Plans the streams of a network: which interface probes which, with what.

The model is psconfig's (full, disjoint and list groups, excludes, one way), made strict. The plan
is deterministic: the same site file gives the same streams with the same numbers in the same
order, and a stream keeps its number when sites are added.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec

from foundation.errors import ConfigError
from foundation.text import Text, counted
from probes.protocols.registry import protocol_of
from probes.stream import TypeP, stream_id_of
from topology.mesh_subset import chosen_pairs
from topology.model import Interface, Path, PlannedStream
from topology.network import Mesh, Network, StreamChoice
from topology.selection import site_matches


def plan_streams(network: Network) -> tuple[PlannedStream, ...]:
    """Return every stream of every mesh, each once.

    Where two meshes ask for the same path and Type-P, one stream serves both: the shorter
    interval, more flows and longer timeout of the two. External sites are destinations only; IPv4
    goes to IPv4, IPv6 to IPv6. Raises ConfigError if two different streams hash to one number, or
    if one is authenticated and another between the same two addresses and port is not.
    """
    streams: dict[int, PlannedStream] = {}
    paths: dict[tuple[str, str], Path] = {}
    for mesh in network.meshes:
        choices = [(choice, _types(choice)) for choice in mesh.stream]
        for source, destination in _interface_pairs(network, mesh):
            pair = (source.id, destination.id)
            path = paths.get(pair)
            if path is None:
                path = paths[pair] = Path(source=source, destination=destination)
            external = network.sites[destination.site].external
            for choice, types in choices:
                if choice.destinations == "any" or (choice.destinations == "external") == external:
                    _add(streams, _stream(path, types[source.ip_version], choice))
    _check_modes(streams.values())
    return tuple(streams.values())


def _stream(path: Path, type_p: TypeP, choice: StreamChoice) -> PlannedStream:
    return PlannedStream(
        stream_id=stream_id_of(path.id, type_p),
        path=path,
        type_p=type_p,
        interval_ms=choice.interval_ms,
        flows=choice.flows,
        timeout_ms=choice.timeout_ms,
    )


def _check_modes(streams: Collection[PlannedStream]) -> None:
    """Let no reflector be asked by one sender with authentication and without: what it would answer
    without, anybody could forge."""
    authenticated = {_reflector_of(stream) for stream in streams if stream.type_p.authenticated}
    if not authenticated:
        return
    for stream in streams:
        kind = stream.type_p
        if not kind.authenticated and _reflector_of(stream) in authenticated:
            name = kind.protocol.upper()
            raise ConfigError(
                f"{stream.path.id} is probed on {name} port {kind.port} with authentication and "
                "without; make both `authenticated`, or give one of them another `port`",
                f"{stream.path.id} 在 {name} 端口 {kind.port} 上既有认证探测又有非认证探测；"
                "请将两者都设为 `authenticated`，或为其中之一改用其他 `port`",
                key="authenticated",
            )


def _reflector_of(stream: PlannedStream) -> tuple[str, str, int | None]:
    return stream.path.id, stream.type_p.protocol, stream.type_p.port


def _types(choice: StreamChoice) -> dict[int, TypeP]:
    """Return the Type-P of a choice for each IP version."""
    protocol = protocol_of(choice.protocol)
    size = choice.payload_bytes if protocol.payload is not None else None
    if size is None:
        size = protocol.sizes(authenticated=choice.authenticated).usual
    return {
        version: TypeP(
            protocol=choice.protocol,
            ip_version=version,
            payload_bytes=size,
            dscp=choice.dscp,
            port=protocol.port_of(choice.port),
            mode="authenticated" if choice.authenticated else msgspec.UNSET,
        )
        for version in (4, 6)
    }


def merged_plans(*plans: Iterable[PlannedStream]) -> tuple[PlannedStream, ...]:
    """Return the streams of several plans, each once, in the order in which they are first named.

    A stream that several ask for runs at the shortest interval, with the most flows and the longest
    timeout of them. Raises ConfigError as `plan_streams` does.
    """
    streams: dict[int, PlannedStream] = {}
    for stream in itertools.chain.from_iterable(plans):
        _add(streams, stream)
    _check_modes(streams.values())
    return tuple(streams.values())


def _add(streams: dict[int, PlannedStream], stream: PlannedStream) -> None:
    """Add one stream to the plan, or let the one that is there serve both."""
    known = streams.setdefault(stream.stream_id, stream)
    if known is stream:
        return
    if (known.path.id, known.type_p) != (stream.path.id, stream.type_p):
        one = f"{known.path.id} {known.type_p.label()}"
        other = f"{stream.path.id} {stream.type_p.label()}"
        raise ConfigError(
            f"streams {one} and {other} have the same number; change the port or size of one by 1",
            f"测量流 {one} 与 {other} 编号相同；请将其中一条的端口或大小改动 1",
            stream_id=stream.stream_id,
        )
    streams[stream.stream_id] = msgspec.structs.replace(
        known,
        interval_ms=min(known.interval_ms, stream.interval_ms),
        flows=max(known.flows, stream.flows),
        timeout_ms=max(known.timeout_ms, stream.timeout_ms),
    )


class _Pair(NamedTuple):
    """Two sites in the direction of the probe, and the carriers each end is bound to (or any)."""

    source: str
    destination: str
    source_carriers: tuple[str, ...]
    destination_carriers: tuple[str, ...]


def _interface_pairs(network: Network, mesh: Mesh) -> Iterator[tuple[Interface, Interface]]:
    """Yield the pairs of interfaces of a mesh, by site pair in file order."""
    interfaces = {
        name: [i for i in site.interfaces if i.ip_version in mesh.ip_versions]
        for name, site in network.sites.items()
    }
    for pair in _site_pairs(network, mesh):
        for a in interfaces[pair.source]:
            if pair.source_carriers and a.carrier not in pair.source_carriers:
                continue
            for b in interfaces[pair.destination]:
                if pair.destination_carriers and b.carrier not in pair.destination_carriers:
                    continue
                if a.ip_version == b.ip_version and _paired(mesh, a, b):
                    yield a, b


def _paired(mesh: Mesh, a: Interface, b: Interface) -> bool:
    if mesh.carriers == "all":
        return True
    return (a.carrier == b.carrier) == (mesh.carriers == "same")


def _site_pairs(network: Network, mesh: Mesh) -> Iterator[_Pair]:
    """Yield the ordered pairs of sites, without repeats, excluded ones and external sources."""
    excluded = {frozenset(pair) for pair in mesh.exclude}
    chosen = None if mesh.peers is None else chosen_pairs(_possible(network, mesh), mesh.peers)
    seen: set[_Pair] = set()
    for pair in _directed(network, mesh):
        source, destination = pair.source, pair.destination
        if source == destination or network.sites[source].external or pair in seen:
            continue
        if excluded and frozenset((source, destination)) in excluded:
            continue
        if chosen is not None and frozenset((source, destination)) not in chosen:
            continue
        seen.add(pair)
        yield pair


def _possible(network: Network, mesh: Mesh) -> set[tuple[str, str]]:
    """Return the pairs of sites, each once, that a mesh without `peers` would measure."""
    excluded = {frozenset(pair) for pair in mesh.exclude}
    return {
        (min(a, b), max(a, b))
        for a, b in _PAIRS[mesh.kind](network, mesh)
        if a != b
        and frozenset((a, b)) not in excluded
        and not (network.sites[a].external and network.sites[b].external)
    }


class Coverage(NamedTuple):
    """How much of a mesh is measured: pairs of sites, without direction."""

    mesh: Mesh
    measured: int
    possible: int

    @property
    def ratio(self) -> float | None:
        """Measured over possible pairs; None for a mesh without pairs."""
        return self.measured / self.possible if self.possible else None


def coverage_of(network: Network, mesh: Mesh) -> Coverage:
    """Return how much of a mesh `peers` leaves."""
    possible = _possible(network, mesh)
    if mesh.peers is None:
        return Coverage(mesh, len(possible), len(possible))
    return Coverage(mesh, len(chosen_pairs(possible, mesh.peers)), len(possible))


def coverage_notes(network: Network) -> tuple[Text, ...]:
    """Return a sentence for each mesh that measures a part of its pairs."""
    found = [coverage_of(network, mesh) for mesh in network.meshes if mesh.peers is not None]
    return tuple(
        Text(
            f"Mesh {each.mesh.name} measures {each.measured} of {counted(each.possible, 'pair')} "
            "of sites "
            f"({each.ratio:.1%}): at least {each.mesh.peers} for each site, the same ones every "
            "time (peers).",
            f"测量组 {each.mesh.name} 测量 {each.possible} 对站点中的 {each.measured} 对"
            f"（{each.ratio:.1%}）：每个站点至少 {each.mesh.peers} 对，且选取结果固定（peers）。",
        )
        for each in found
        if each.measured < each.possible
    )


def _directed(network: Network, mesh: Mesh) -> Iterator[_Pair]:
    """Yield each pair of the mesh's kind, and the way back unless the mesh is one-way."""
    a_carriers = (mesh.members if mesh.a is None else mesh.a).carriers
    b_carriers = (mesh.members if mesh.b is None else mesh.b).carriers
    for a, b in _PAIRS[mesh.kind](network, mesh):
        yield _Pair(a, b, a_carriers, b_carriers)
        if not mesh.one_way:
            yield _Pair(b, a, b_carriers, a_carriers)


def _full(network: Network, mesh: Mesh) -> Iterator[tuple[str, str]]:
    names = [s.name for s in network.sites.values() if site_matches(mesh.members, s)]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            yield a, b


def _disjoint(network: Network, mesh: Mesh) -> Iterator[tuple[str, str]]:
    assert mesh.a is not None
    assert mesh.b is not None  # checked when the file was read
    group_a = [s.name for s in network.sites.values() if site_matches(mesh.a, s)]
    group_b = [s.name for s in network.sites.values() if site_matches(mesh.b, s)]
    for a in group_a:
        for b in group_b:
            yield a, b


def _listed(_network: Network, mesh: Mesh) -> Iterator[tuple[str, str]]:
    yield from mesh.pairs


_PAIRS = {"full": _full, "disjoint": _disjoint, "list": _listed}
