"""What a description says of the packets of its protocol."""

from __future__ import annotations

import pytest

from foundation.text import Text
from probes.protocols.descriptor import PayloadSizes, ProbeProtocol
from probes.protocols.registry import protocol_of

PLAIN = ProbeProtocol(
    name="echo",
    title=Text("Echo", "回显"),
    standard=Text("RFC 862", "RFC 862"),
    opener="nowhere:open",
    rank=9,
    dscp_changed_back=Text("changed", "改写"),
    size_help=Text("any", "任意"),
)


def test_protocol_without_ports_goes_to_none_whatever_is_chosen() -> None:
    icmp = protocol_of("icmp")
    assert not icmp.has_ports
    assert icmp.port_of(None) is icmp.port_of(80) is None


@pytest.mark.parametrize(("name", "usual"), [("udp", 862), ("tcp", 443)])
def test_protocol_with_ports_goes_to_its_own_unless_one_is_chosen(name: str, usual: int) -> None:
    protocol = protocol_of(name)
    assert protocol.has_ports
    assert (protocol.port_of(None), protocol.port_of(8620)) == (usual, 8620)


def test_packets_have_at_least_what_their_protocol_needs() -> None:
    """STAMP's base packet is 44 octets, and 112 in authenticated mode (RFC 8762 §4.2)."""
    stamp = protocol_of("udp")
    assert [stamp.payload_bytes(chosen) for chosen in (0, 44, 45)] == [44, 44, 45]
    assert [stamp.payload_bytes(n, authenticated=True) for n in (0, 112, 300)] == [112, 112, 300]


def test_protocol_that_carries_nothing_ignores_what_is_chosen() -> None:
    tcp = protocol_of("tcp")
    assert (tcp.payload_bytes(500), tcp.sizes().usual) == (0, 0)


def test_only_a_protocol_with_a_signed_packet_authenticates() -> None:
    assert not PLAIN.authenticates
    assert PLAIN.sizes(authenticated=True).usual == 0
    assert PLAIN.payload_bytes(44) == 44
    assert protocol_of("udp").authenticates


def test_usual_sizes_have_room_for_what_they_are_for() -> None:
    """Follow-Up Telemetry takes 20 octets, Class of Service 8, HMAC 20 (RFC 8972 §4)."""
    stamp = protocol_of("udp")
    assert stamp.sizes() == PayloadSizes(
        usual=44 + 20, least=44, marked=44 + 20 + 8, packet=stamp.sizes().packet
    )
    assert stamp.sizes(authenticated=True).usual == 112 + 20 + 20
