"""What a stream's description says of its packets."""

from __future__ import annotations

import socket

import pytest
from engine_run import spec

from foundation.errors import ConfigError
from probes.addresses import pack_address, unpack_address
from probes.engine.destinations import closest_gap_ns, resolved, socket_family, waiting_time_ns
from probes.protocols.tcp.limits import SYN_LIMIT_NS


@pytest.mark.parametrize(
    ("stream", "host", "port"),
    [
        (spec("icmp", "192.0.2.1"), "192.0.2.1", 0),
        (spec("udp", "192.0.2.1"), "192.0.2.1", 862),  # the protocol's own port
        (spec("udp", "2001:db8::1", port=8620), "2001:db8::1", 8620),
        (spec("tcp", "192.0.2.1", port=443), "192.0.2.1", 443),
    ],
)
def test_destination_is_address_and_port(stream, host: str, port: int) -> None:
    assert unpack_address(resolved(stream).tobytes())[:2] == (host, port)


def test_destination_keeps_the_interface_that_it_names() -> None:
    index = socket.if_nametoindex("lo")
    address = resolved(spec("icmp", "fe80::1%lo"))
    assert address.tolist() == pack_address("fe80::1%lo").tolist()
    assert int.from_bytes(address[24:28].tobytes(), "little") == index


def test_protocol_without_a_usual_port_asks_for_one() -> None:
    with pytest.raises(ConfigError, match=r"A TCP stream to .* needs a destination port"):
        resolved(spec("tcp", "192.0.2.1"))


def test_interface_that_this_machine_has_not_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(spec("icmp", "fe80::1%nowhere0"))
    assert "names the interface nowhere0, which this machine does not have" in caught.value.text.en
    assert "本机没有的接口 nowhere0" in caught.value.text.zh


@pytest.mark.parametrize(
    ("destination", "says"),
    [("224.0.0.1", "multicast"), ("255.255.255.255", "broadcast"), ("::", "unspecified")],
)
def test_what_is_no_host_is_refused_before_anything_is_sent(destination: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        resolved(spec("icmp", destination))
    assert caught.value.fields["destination"] == destination


def test_source_that_is_no_host_is_refused_as_the_source() -> None:
    with pytest.raises(ConfigError, match=r"The source address .*multicast") as caught:
        resolved(spec("icmp", "192.0.2.1", source="224.0.0.1"))
    assert caught.value.fields["source"] == "224.0.0.1"
    resolved(spec("icmp", "192.0.2.1", source="192.0.2.9"))  # whether it is ours is asked later


def test_gap_of_a_flow_is_that_of_all_flows_in_turn_and_half_of_it_in_poisson_bunches() -> None:
    assert closest_gap_ns(spec("icmp", interval_ms=10.0)) == 10e6
    assert closest_gap_ns(spec("icmp", interval_ms=10.0, flows=4)) == 40e6
    assert closest_gap_ns(spec("icmp", interval_ms=10.0, flows=4, pacing="poisson")) == 20e6


def test_waiting_time_is_the_streams_own_within_what_its_protocol_bounds() -> None:
    assert waiting_time_ns(spec("icmp", timeout_ms=2_500.0)) == 2_500_000_000
    assert waiting_time_ns(spec("tcp", port=80, timeout_ms=2_500.0)) == SYN_LIMIT_NS
    assert waiting_time_ns(spec("tcp", port=80, timeout_ms=100.0)) == 100_000_000


def test_family_is_that_of_the_type_p() -> None:
    assert socket_family(spec("icmp", "192.0.2.1")) == socket.AF_INET
    assert socket_family(spec("icmp", "2001:db8::1")) == socket.AF_INET6
