"""What each agent has to do: its streams, and the reflectors that others' streams need.

Pure: a network and its planned streams in, plans out. `numbered` gives the version, which grows
only when the content of an agent's plan changes.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from controller.store.interface import PlanRecord, Store, StreamRecord
from probes.exchange import Plan, ReflectorSpec
from probes.json_document import decode_json
from probes.stream import STAMP_PORT, StreamSpec
from topology.model import PlannedStream
from topology.network import Network

DEFAULT_WINDOW_MS = 10_000


def make_plans(
    network: Network, streams: Sequence[PlannedStream], window_ms: int = DEFAULT_WINDOW_MS
) -> dict[str, Plan]:
    """Return the plan of every agent (a site that is not external), with version 0.

    The agent's name is its site's name. Order inside a plan does not depend on the order of
    `streams`, so that equal content gives equal bytes.
    """
    specs: dict[str, list[StreamSpec]] = defaultdict(list)
    asking: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    bound: dict[tuple[str, str, int], set[str]] = defaultdict(set)  # to authenticate themselves
    for stream in streams:
        source, destination = stream.path.source, stream.path.destination
        specs[source.site].append(spec_of(stream))
        if stream.type_p.protocol == "udp":
            port = stream.type_p.port or STAMP_PORT
            place = destination.site, destination.address, port
            asking[place].add(source.address)
            if stream.type_p.authenticated:
                bound[place].add(source.address)
    reflectors: dict[str, list[ReflectorSpec]] = defaultdict(list)
    for place, peers in sorted(asking.items()):
        site, address, port = place
        spec = ReflectorSpec(
            address=address,
            port=port,
            peers=tuple(sorted(peers)),
            authenticated=tuple(sorted(bound[place])) if place in bound else msgspec.UNSET,
        )
        reflectors[site].append(spec)
    return {
        name: Plan(
            version=0,
            agent=name,
            window_ms=window_ms,
            streams=tuple(sorted(specs[name], key=lambda spec: spec.stream_id)),
            reflectors=tuple(reflectors[name]),
            local={each.address: each.local for each in site.interfaces if each.local}
            or msgspec.UNSET,
        )
        for name, site in network.sites.items()
        if not site.external
    }


def spec_of(stream: PlannedStream) -> StreamSpec:
    """Return a planned stream as the engine runs it."""
    return StreamSpec(
        stream_id=stream.stream_id,
        source=stream.path.source.address,
        destination=stream.path.destination.address,
        type_p=stream.type_p,
        interval_ms=stream.interval_ms,
        flows=stream.flows,
        timeout_ms=stream.timeout_ms,
    )


def stream_records(streams: Sequence[PlannedStream]) -> list[StreamRecord]:
    """Return what the store remembers of each planned stream."""
    return [
        StreamRecord(
            stream_id=stream.stream_id,
            agent=stream.path.source.site,
            path=stream.path.id,
            protocol=stream.type_p.protocol,
            type_p=stream.type_p.label(),
        )
        for stream in streams
    ]


def last_plans(store: Store) -> dict[str, Plan]:
    """Return the newest plans that are stored, as far as they can be read."""
    found = {}
    for name, record in store.latest_plans().items():
        with contextlib.suppress(msgspec.MsgspecError):
            plan = decode_json(record.content, Plan)
            found[name] = msgspec.structs.replace(plan, version=record.version)
    return found


def numbered(plans: dict[str, Plan], store: Store, now_ns: int) -> dict[str, Plan]:
    """Give each plan its version: the stored one if the content is the same, else the next.

    New versions are committed before this returns, so a version never means two contents.
    """
    known = store.latest_plans()
    result, grown = {}, []
    for name, plan in plans.items():
        content = msgspec.json.encode(msgspec.structs.replace(plan, version=0))
        latest = known.get(name)
        version = 0 if latest is None else latest.version
        if latest is None or latest.content != content:
            version += 1
            grown.append(PlanRecord(agent=name, version=version, content=content))
        result[name] = msgspec.structs.replace(plan, version=version)
    if grown:
        store.put_plans(grown, now_ns).result()
    return result
