"""Pairing forward and backward packets of one probe, whatever their order."""

from __future__ import annotations

import numpy as np
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from lab.fleet.packet_log import COPY, HEAD_BYTES, LOST, RECORD
from lab.fleet.truth import PROTOCOLS, pair_probes
from probes.stamp.packet import ReflectorPacket, SenderPacket, encode_reflector, encode_sender
from probes.stamp.timestamps import wall_ns_to_ntp64

A, B = "10.0.0.1", "10.0.0.2"
A6, B6 = "2001:db8::1", "2001:db8::2"


def row(
    packet: Packet, at: int, delay: int | None, *, back: bool = False, outcome: int = 0
) -> np.void:
    record = np.zeros(1, RECORD)[0]
    raw = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:01") / packet)[:HEAD_BYTES]
    record["head"][: len(raw)] = np.frombuffer(raw, np.uint8)
    record["received_ns"] = at
    record["left_ns"] = 0 if delay is None else at + delay
    record["source"], record["destination"] = (1, 0) if back else (0, 1)
    record["outcome"] = outcome | (LOST if delay is None else 0)
    return record


def stamp_reply(sequence: int) -> Raw:
    return Raw(bytes(24) + sequence.to_bytes(4, "big") + bytes(16))


def test_every_protocol_and_version_is_paired() -> None:
    udp, back = UDP(sport=5000, dport=862), UDP(sport=862, dport=5000)
    syn = TCP(sport=6000, dport=443, flags="S", seq=2**32 - 1)
    reset = TCP(sport=443, dport=6000, flags="RA", ack=0)
    log = np.array(
        [
            row(IP(src=A, dst=B) / ICMP(type=8, id=7, seq=1), 1000, 50),
            row(IP(src=B, dst=A) / ICMP(type=0, id=7, seq=1), 1060, 70, back=True),
            row(IPv6(src=A6, dst=B6) / ICMPv6EchoRequest(id=7, seq=1), 2000, 51),
            row(IPv6(src=B6, dst=A6) / ICMPv6EchoReply(id=7, seq=1), 2060, 71, back=True),
            row(IP(src=A, dst=B) / udp / Raw(bytes(3) + b"\x09"), 3000, 52),
            row(IP(src=B, dst=A) / back / stamp_reply(9), 3060, 72, back=True),
            row(IPv6(src=A6, dst=B6) / udp / Raw(bytes(4)), 4000, 53),
            row(
                IPv6(src=B6, dst=A6) / back / stamp_reply(0),
                4060,
                73,
                back=True,
            ),
            row(IP(src=A, dst=B) / syn, 5000, 54),
            row(
                IP(src=B, dst=A) / reset,
                5060,
                74,
                back=True,
            ),
        ]
    )
    probes = pair_probes(log, [862])
    order = np.argsort(probes.sent_ns)
    assert probes.sent_ns[order].tolist() == [1000, 2000, 3000, 4000, 5000]
    assert [PROTOCOLS[i] for i in probes.protocol[order]] == ["icmp", "icmp", "udp", "udp", "tcp"]
    assert probes.forward_ns[order].tolist() == [50, 51, 52, 53, 54]
    assert probes.backward_ns[order].tolist() == [70, 71, 72, 73, 74]


def test_authenticated_answers_are_paired_by_the_sequence_where_it_stands_in_them() -> None:
    udp, back = UDP(sport=5000, dport=862), UDP(sport=862, dport=5000)
    key = bytes(32)
    t1 = wall_ns_to_ntp64(1_700_000_000_000_000_000)
    asked = encode_sender(SenderPacket(sequence=9, t1=t1, error_estimate=1), key)
    answer = ReflectorPacket(
        sequence=3, t3=t1, error_estimate=1, t2=t1, sender_sequence=9, sender_t1=t1,
        sender_error_estimate=1,
    )  # fmt: skip
    answered = Raw(encode_reflector(answer, key))
    log = np.array(
        [
            row(IP(src=A, dst=B) / udp / Raw(asked), 1000, 50),
            row(IP(src=B, dst=A) / back / answered, 1060, 70, back=True),
            row(IPv6(src=A6, dst=B6) / udp / Raw(asked), 2000, 51),
            row(IPv6(src=B6, dst=A6) / back / answered, 2060, 71, back=True),
        ]
    )
    probes = pair_probes(log, [862])
    order = np.argsort(probes.sent_ns)
    assert probes.forward_ns[order].tolist() == [50, 51]
    assert probes.backward_ns[order].tolist() == [70, 71]


def test_lost_probes_have_no_delay_and_copies_do_not_count_twice() -> None:
    udp = UDP(sport=5000, dport=862)
    back = UDP(sport=862, dport=5000)
    log = np.array(
        [
            row(IP(src=A, dst=B) / udp / Raw(b"\0\0\0\1"), 1000, None),
            row(IP(src=A, dst=B) / udp / Raw(b"\0\0\0\2"), 2000, 80),
            row(IP(src=A, dst=B) / udp / Raw(b"\0\0\0\2"), 2000, 50, outcome=COPY),
            row(IP(src=B, dst=A) / back / stamp_reply(2), 2100, None, back=True),
            row(IP(src=B, dst=A) / back / stamp_reply(2), 2110, 30, back=True),
            row(IP(src=A, dst=B) / udp / Raw(b"\0\0\0\3"), 3000, 60),
            row(IP(src=B, dst=A) / back / stamp_reply(3), 3100, None, back=True),
        ]
    )
    probes = pair_probes(log, [862])
    order = np.argsort(probes.sent_ns)
    np.testing.assert_array_equal(probes.forward_ns[order], [np.nan, 50, 60])
    np.testing.assert_array_equal(probes.backward_ns[order], [np.nan, 30, np.nan])


def test_an_identifier_used_again_belongs_to_the_later_probe() -> None:
    request, reply = ICMP(type=8, id=7, seq=1), ICMP(type=0, id=7, seq=1)
    log = np.array(
        [
            row(IP(src=A, dst=B) / request, 1000, 10),
            row(IP(src=B, dst=A) / reply, 1020, 11, back=True),
            row(IP(src=A, dst=B) / request, 9000, 12),
            row(IP(src=B, dst=A) / reply, 9020, 13, back=True),
        ]
    )
    probes = pair_probes(log, [])
    assert probes.rtt_ns.tolist() == [21, 25]


def test_a_reply_to_nothing_is_no_probe() -> None:
    log = np.array([row(IP(src=B, dst=A) / ICMP(type=0, id=1, seq=1), 5, 6, back=True)])
    assert len(pair_probes(log, [])) == 0
