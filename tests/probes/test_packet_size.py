"""How long packets are, against what scapy builds."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from probes.packet_size import packet_bytes
from probes.stream import TypeP

MSS = [("MSS", 1460)]


@pytest.mark.parametrize(
    ("type_p", "packet"),
    [
        (TypeP(protocol="udp", ip_version=4, payload_bytes=64), IP() / UDP() / bytes(64)),
        (TypeP(protocol="udp", ip_version=6, payload_bytes=10), IPv6() / UDP() / bytes(44)),
        (TypeP(protocol="icmp", ip_version=4, payload_bytes=44), IP() / ICMP() / bytes(44)),
        (
            TypeP(protocol="icmp", ip_version=6, payload_bytes=0),
            IPv6() / ICMPv6EchoRequest(),
        ),
        (TypeP(protocol="tcp", ip_version=4, port=443), IP() / TCP(options=MSS)),
        (TypeP(protocol="tcp", ip_version=6, port=443), IPv6() / TCP(options=MSS)),
    ],
)
def test_sizes_are_those_of_whole_packets(type_p, packet):
    assert packet_bytes(type_p) == len(bytes(packet))
