"""What each agent has to do: its streams, and the reflectors that others' streams need.

Pure: a network and its planned streams in, plans out. `numbered` gives the version, which grows
only when the content of an agent's plan changes.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.settings import DEFAULT_WINDOW_MS
from controller.store.interface import Store
from controller.store.records import PlanRecord, StreamRecord
from foundation.json_document import decode_json
from foundation.number_types import LARGEST
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec
from topology.model import PlannedStream
from topology.network import Network


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
        port = stream.type_p.reflector_port
        if port is not None:
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
    for name, record in store.plans.latest().items():
        with contextlib.suppress(msgspec.MsgspecError):
            found[name] = _plan_of(record)
    return found


def asked_since(
    store: Store, streams: Sequence[PlannedStream], plans: Mapping[str, Plan], from_ns: int
) -> NDArray[np.int64]:
    """Return since when each stream has been requested at its present interval, int64[n].

    Plans that were replaced by `from_ns` are not looked at. Blocks.
    """
    since: dict[int, int] = {}
    for agent, plan in plans.items():
        steady, before = _asked_in(plan), LARGEST
        while steady and (page := store.plans.history(agent, before, 1)):
            record, before = page[0], page[0].version
            with contextlib.suppress(msgspec.MsgspecError):
                steady &= _asked_in(plan if before == plan.version else _plan_of(record))
                since |= dict.fromkeys((number for number, _ in steady), record.created_ns)
            if record.created_ns <= from_ns:
                break
    return np.array([since.get(stream.stream_id, 0) for stream in streams], np.int64)


def _asked_in(plan: Plan) -> set[tuple[int, float]]:
    return {(spec.stream_id, spec.interval_ms) for spec in plan.streams}


def _plan_of(record: PlanRecord) -> Plan:
    plan = decode_json(record.content, Plan)
    return msgspec.structs.replace(plan, version=record.version)


def numbered(plans: dict[str, Plan], store: Store, now_ns: int) -> dict[str, Plan]:
    """Give each plan its version: the stored one if the content is the same, else the next.

    New versions are committed before this returns, so a version never means two contents.
    """
    known = store.plans.latest()
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
        store.plans.put(grown, now_ns).result()
    return result
