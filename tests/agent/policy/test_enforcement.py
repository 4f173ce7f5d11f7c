"""What of a plan the owner's policy allows: arrays in, streams out, at plan time alone."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.policy.enforcement import Granted
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec
from tests.agent.policy.test_policy import granted, stream


def rules(outcome: Granted) -> dict[int, str]:
    return {one.stream_id: one.rule for one in outcome.curtailed}


def test_usual_plan_runs_as_asked_without_a_policy() -> None:
    streams = [stream(n, f"192.0.2.{n}") for n in range(1, 200)]
    assert granted(streams).streams == tuple(streams)
    assert granted(streams).by_rule == ()
    assert granted([]).streams == ()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "169.254.169.254",
        "::1",
        "::",
        "ff02::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "not-an-address",
    ],
)
def test_special_addresses_are_refused_unless_named(address: str) -> None:
    assert rules(granted([stream(1, address)])) == {1: "policy.destinations"}
    if address != "not-an-address":
        named = address.removeprefix("::ffff:") if "." in address else address
        assert granted([stream(1, address)], destinations=[named]).curtailed == ()


def test_each_rule_refuses_by_its_own_name() -> None:
    streams = [
        stream(1, "192.0.2.1"),
        stream(2, "198.51.100.1"),
        stream(3, "192.0.2.2", port=53),
        stream(4, "192.0.2.3", protocol="tcp", port=443),
        stream(5, "192.0.2.4", payload_bytes=1473),
        stream(6, "192.0.2.66"),
        stream(7, "192.0.2.5", payload_bytes=1472),
    ]
    outcome = granted(
        streams,
        destinations=["192.0.2.0/24"],
        denied_destinations=["192.0.2.64/26"],
        denied_ports=["1-861"],
        protocols=["icmp", "udp"],
    )
    assert rules(outcome) == {
        2: "policy.destinations",
        3: "policy.ports",
        4: "policy.protocols",
        5: "policy.max_packet_bytes",
        6: "policy.denied_destinations",
    }
    assert [spec.stream_id for spec in outcome.streams] == [1, 7]
    assert {one.rule: one.streams for one in outcome.by_rule} == dict.fromkeys(
        rules(outcome).values(), 1
    )


def test_streams_to_one_destination_are_slowed_together() -> None:
    streams = [stream(1, interval_ms=10), stream(2, interval_ms=20), stream(3, "192.0.2.9")]
    outcome = granted(streams, max_packets_per_s_per_destination=75)
    assert [spec.interval_ms for spec in outcome.streams] == [20, 40, 100]
    assert rules(outcome) == dict.fromkeys((1, 2), "policy.max_packets_per_s_per_destination")


def test_bits_count_whole_packets_and_name_themselves() -> None:
    outcome = granted([stream(1, interval_ms=10)], max_bits_per_s_per_destination=28_800)
    assert outcome.streams[0].interval_ms == pytest.approx(20)  # 72 octets × 8 × 50 per second
    assert rules(outcome) == {1: "policy.max_bits_per_s_per_destination"}


def test_what_would_be_slower_than_once_an_hour_is_refused() -> None:
    outcome = granted([stream(1)], max_packets_per_s=1e-4)
    assert outcome.streams == ()
    assert outcome.curtailed[0].action == "refused"


def test_in_quiet_hours_nothing_is_probed_and_everything_answered() -> None:
    reflector = ReflectorSpec(address="192.0.2.1", port=862, peers=("192.0.2.2",))
    outcome = granted([stream(1)], quiet=True, reflectors=[reflector])
    assert outcome.streams == ()
    assert rules(outcome) == {1: "policy.quiet_hours"}
    assert outcome.reflectors == (reflector,)


def reflected(*peers: str, port: int = 862, **keys: Any) -> tuple[tuple[str, ...], dict[str, int]]:
    spec = ReflectorSpec(address="192.0.2.1", port=port, peers=peers)
    outcome = granted([], reflectors=[spec], **keys)
    left = outcome.reflectors[0].peers if outcome.reflectors else ()
    return left, {one.rule.removeprefix("policy."): one.senders for one in outcome.by_rule}


def test_reflector_answers_single_senders_and_prefixes_only_where_open() -> None:
    assert reflected("192.0.2.2", "0.0.0.0/0") == (("192.0.2.2",), {"reflector.open": 1})
    assert reflected("0.0.0.0/0", reflector={"open": True})[0] == ("0.0.0.0/0",)
    inside = {"reflector": {"open": True}, "destinations": ["10.0.0.0/8"]}
    assert reflected("10.1.0.0/16", "11.0.0.0/16", **inside) == (
        ("10.1.0.0/16",),
        {"destinations": 1},
    )
    denied = {**inside, "denied_destinations": ["10.1.1.0/24"]}
    assert reflected("10.1.0.0/16", "10.2.0.0/16", **denied)[0] == ("10.2.0.0/16",)


def test_reflector_listens_where_the_owner_allows_and_answers_whom_he_allows() -> None:
    assert reflected("192.0.2.2", port=53) == ((), {"reflector.ports": 1})
    assert reflected("192.0.2.2", reflector={"enabled": False})[1] == {"reflector.enabled": 1}
    assert reflected("192.0.2.2", "127.0.0.1", "nonsense")[0] == ("192.0.2.2",)


plans = st.lists(
    st.tuples(
        st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1", "10.0.0.1"]),
        st.floats(0.5, 5_000),
        st.integers(0, 2_000),
        st.sampled_from(["icmp", "udp", "tcp"]),
    ),
    max_size=40,
)


@given(plans, st.floats(1, 500), st.floats(1e3, 1e6), st.floats(1, 100), st.floats(1e3, 1e5))
def test_no_plan_gets_more_than_any_rule_allows(
    asked: list[tuple[str, float, int, str]],
    packets: float,
    bits: float,
    packets_to_one: float,
    bits_to_one: float,
) -> None:
    streams = [
        stream(n, where, interval, payload_bytes=size, protocol=kind, port=443)
        for n, (where, interval, size, kind) in enumerate(asked)
    ]
    outcome = granted(
        streams,
        destinations=["192.0.2.0/24", "2001:db8::/32"],
        max_packets_per_s=packets,
        max_bits_per_s=bits,
        max_packets_per_s_per_destination=packets_to_one,
        max_bits_per_s_per_destination=bits_to_one,
    )
    rate = np.array([1000 / spec.interval_ms for spec in outcome.streams])
    size = np.array([_bytes(spec) for spec in outcome.streams])
    assert rate.sum() <= packets * 1.000001
    assert (rate * size * 8).sum() <= bits * 1.000001
    for _, group in itertools.groupby(
        sorted(range(len(rate)), key=lambda i: outcome.streams[i].destination),
        key=lambda i: outcome.streams[i].destination,
    ):
        rows = list(group)
        assert rate[rows].sum() <= packets_to_one * 1.000001
        assert (rate * size * 8)[rows].sum() <= bits_to_one * 1.000001
    asked_ms = {spec.stream_id: spec.interval_ms for spec in streams}
    slowed = {
        spec.stream_id for spec in outcome.streams if spec.interval_ms > asked_ms[spec.stream_id]
    }
    told = {one.stream_id for one in outcome.curtailed if one.action == "throttled"}
    refused = {one.stream_id for one in outcome.curtailed if one.action == "refused"}
    assert slowed == told
    assert refused == asked_ms.keys() - {spec.stream_id for spec in outcome.streams}


def _bytes(spec: StreamSpec) -> int:
    kind = spec.type_p
    if kind.protocol == "tcp":
        return (20 if kind.ip_version == 4 else 40) + 24
    least = 44 if kind.protocol == "udp" else 0
    return (20 if kind.ip_version == 4 else 40) + 8 + max(kind.payload_bytes, least)
