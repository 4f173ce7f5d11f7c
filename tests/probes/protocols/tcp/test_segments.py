"""TCP SYN segments, against what scapy builds and reads."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from probes.channels.codec import ANSWER_CLOSED, ANSWER_OPEN
from probes.protocols.ip import address_sums, after_ip_header
from probes.protocols.tcp import segments as tcp
from probes.protocols.tcp.limits import SEGMENT_BYTES

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("family", "source", "destination"), [(V4, "10.0.0.1", "10.9.8.7"), (V6, "fd00::1", "fd00::2")]
)
def test_scapy_reads_our_syn_and_agrees_on_its_checksum(
    family: int, source: str, destination: str
) -> None:
    packed = [socket.inet_pton(family, end) for end in (source, destination)]
    ends = [np.frombuffer(end, np.uint8)[None] for end in packed]
    (addresses,) = address_sums(*ends)
    segments = np.zeros((4, SEGMENT_BYTES), np.uint8)
    number = np.array([0, 1, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32)
    port = np.array([80, 443, 1, 65_535], np.uint16)
    tcp.write_syns(segments, family, 40_000, port, number, np.full(4, addresses, np.uint64))
    below = (IP if family == V4 else IPv6)(src=source, dst=destination)
    for row, segment in enumerate(segments):
        read = TCP(segment.tobytes())
        assert (read.sport, read.dport, read.seq) == (40_000, port[row], number[row])
        assert read.flags == "S"
        again = below / TCP(segment.tobytes())
        del again[TCP].chksum
        assert bytes(again[TCP]) == segment.tobytes()


def test_syn_ack_and_rst_are_told_apart_and_other_segments_ignored() -> None:
    flags = ["SA", "RA", "R", "A", "FA", "S"]
    rows = np.zeros((len(flags), 64), np.uint8)
    for row, flag in enumerate(flags):
        segment = bytes(TCP(sport=80, dport=40_000, ack=8, flags=flag))
        rows[row, : len(segment)] = np.frombuffer(segment, np.uint8)
    read = tcp.read_syn_answers(rows, np.full(len(flags), 20))
    assert read.valid.tolist() == [True, True, False, False, False, False]
    assert read.answer[:2].tolist() == [ANSWER_OPEN, ANSWER_CLOSED]
    assert read.initial_sequence[0] == 7
    assert read.port[0] == 80


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=96), min_size=1, max_size=8))
def test_arbitrary_bytes_raise_nothing(packets: list[bytes]) -> None:
    rows = np.zeros((len(packets), 128), np.uint8)
    for row, packet in enumerate(packets):
        rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
    length = np.array([len(packet) for packet in packets])
    inner, rest = after_ip_header(rows, length)
    tcp.read_syn_answers(inner, rest)
