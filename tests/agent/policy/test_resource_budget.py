"""What streams take of the machine is limited by the owner, in the order of the plan."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from agent.policy.enforcement import grant
from agent.policy.policy import Policy, PolicyConfig
from agent.policy.resource_budget import ResourceBudget
from messages.exchange import Plan
from probes.engine.engine import Engine
from probes.reflector.spec import ReflectorSpec
from probes.stream import ProtocolName, StreamSpec, TypeP


def stream(
    number: int,
    flows: int = 1,
    destination: str = "192.0.2.1",
    protocol: ProtocolName = "udp",
    **more: Any,
) -> StreamSpec:
    port = None if protocol == "icmp" else 9
    kind = TypeP(protocol=protocol, ip_version=4, port=port)
    more = {"interval_ms": 1000.0} | more
    return StreamSpec(stream_id=number, destination=destination, type_p=kind, flows=flows, **more)


def refused(streams: list[StreamSpec], **policy: object) -> dict[int, str]:
    plan = Plan(version=1, agent="a1", streams=tuple(streams))
    granted = grant(Policy(msgspec.convert(policy, PolicyConfig)), plan)
    return {one.stream_id: one.rule for one in granted.curtailed if one.action == "refused"}


def test_campaign_of_fifty_times_4096_flows_runs_within_the_defaults() -> None:
    streams = [stream(1), *(stream(n, 4096, f"192.0.2.{n}") for n in range(2, 52)), stream(99)]
    told = refused(streams)
    assert set(told) == set(range(2, 52))
    assert set(told.values()) <= {"policy.max_flows", "policy.max_sockets"}


def test_flows_are_limited_and_smaller_streams_behind_still_find_room() -> None:
    streams = [stream(1, 6), stream(2, 6), stream(3, 4)]
    assert refused(streams, max_flows=10) == {2: "policy.max_flows"}


def test_memory_of_probes_in_flight_is_limited() -> None:
    busy = {"interval_ms": 5.0, "timeout_ms": 60_000.0}
    streams = [stream(n, destination=f"192.0.2.{n}", **busy) for n in range(1, 100)]
    told = refused(streams, max_memory_bytes=20_000_000, max_packets_per_s=1e6)
    assert set(told.values()) == {"policy.max_memory_bytes"}
    assert 1 not in told
    assert 99 in told


def test_reflectors_are_limited_in_number() -> None:
    places = tuple(
        ReflectorSpec(address="192.0.2.1", port=port, peers=("192.0.2.9",))
        for port in range(5000, 8000)
    )
    granted = grant(Policy(), Plan(version=1, agent="a1", reflectors=places))
    assert granted.reflectors == places[:64]
    (told,) = granted.by_rule
    assert (told.rule, told.senders) == ("policy.reflector.max_addresses", 2936)


def test_sockets_are_counted_as_the_engine_opens_them() -> None:
    streams = [
        stream(1, 3, "127.0.0.1", "icmp"),
        stream(2, 5, "127.0.0.2", "icmp"),  # shares three of its five
        stream(3, 2, "127.0.0.1", "icmp"),  # alike the first in all, so on its own
        stream(4, 2, "127.0.0.1"),
        stream(5, 2, "127.0.0.1", source="127.0.0.1"),
    ]
    engine = Engine(streams, window_ns=10**9, on_windows=lambda batch: None)
    engine.start()
    opened = len(engine._roster.channels)
    engine.stop(wait_for_replies=False)
    room = ResourceBudget(least_gap_ms=1.0)
    most = np.full(3, np.inf)
    assert [room.take(spec, most) for spec in streams] == [None] * 5
    assert room.taken[:2].tolist() == [14, opened] == [14, 11]
