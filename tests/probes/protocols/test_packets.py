"""ICMP and TCP packets against scapy, an independent implementation, and against garbage."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from probes.engine.answers import port_answers
from probes.engine.ledger import Ledger
from probes.protocols.icmp import packets as icmp
from probes.protocols.tcp import segments as tcp
from probes.sockets import bpf

V4, V6 = socket.AF_INET, socket.AF_INET6


def echo(payload_bytes: int, family: int = V4, first: int = 65_530, count: int = 12) -> np.ndarray:
    packets = np.zeros((count, icmp.HEADER_BYTES + payload_bytes), np.uint8)
    sequence = np.arange(first, first + count)
    token = sequence.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    icmp.write_echo_requests(packets, family, 0xBEEF, sequence, token)
    return packets


@pytest.mark.parametrize("payload_bytes", [0, 1, 2, 7, 13, 14, 15, 44, 1400])
def test_scapy_reads_our_echo_request_and_agrees_on_its_checksum(payload_bytes: int) -> None:
    for row, packet in enumerate(echo(payload_bytes)):
        read = ICMP(packet.tobytes())
        assert (read.type, read.code, read.id) == (8, 0, 0xBEEF)
        assert read.seq == (65_530 + row) & 0xFFFF
        again = ICMP(packet.tobytes())
        del again.chksum
        assert bytes(again) == packet.tobytes()


@pytest.mark.parametrize("payload_bytes", [2, 13, 14, 44])
def test_checksum_never_changes_within_a_flow(payload_bytes: int) -> None:
    assert len(np.unique(echo(payload_bytes)[:, 2:4], axis=0)) == 1


def test_checksum_of_icmpv6_never_changes_either() -> None:
    sums = set()
    for packet in echo(44, V6):
        read = IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest(packet.tobytes())
        del read[ICMPv6EchoRequest].cksum
        sums.add(ICMPv6EchoRequest(bytes(read[ICMPv6EchoRequest])).cksum)
    assert len(sums) == 1


@pytest.mark.parametrize("family", [V4, V6])
@pytest.mark.parametrize("payload_bytes", [0, 13, 14, 44])
def test_the_reply_gives_back_number_and_token(family: int, payload_bytes: int) -> None:
    packets = echo(payload_bytes, family)
    packets[:, 0] = 0 if family == V4 else 129
    length = np.full(len(packets), packets.shape[1])
    read = icmp.read_echo_replies(packets, length, family, payload_bytes)
    assert read.valid.all()
    mask = (1 << read.sequence_bits) - 1
    assert (read.sequence == np.arange(65_530, 65_542) & mask).all()
    assert read.sequence_bits == (32 if payload_bytes >= 14 else 16)


def test_ip_header_with_options_is_stepped_over() -> None:
    reply = bytes(ICMP(type=0, id=1, seq=2) / Raw(b"x" * 8))
    plain = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / Raw(reply))
    optioned = bytes([0x47]) + plain[1:20] + b"\x01" * 8 + reply  # header of 7 words
    rows = np.zeros((2, 80), np.uint8)
    for row, packet in enumerate((plain, optioned)):
        rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
    packets, length = icmp.after_ip_header(rows, np.array([len(plain), len(optioned)]))
    assert (packets[:, 0] == 0).all()
    assert length.tolist() == [len(reply), len(reply)]
    assert (packets[:, : len(reply)] == np.frombuffer(reply, np.uint8)).all()


@pytest.mark.parametrize(
    ("family", "source", "destination"), [(V4, "10.0.0.1", "10.9.8.7"), (V6, "fd00::1", "fd00::2")]
)
def test_scapy_reads_our_syn_and_agrees_on_its_checksum(
    family: int, source: str, destination: str
) -> None:
    packed = [socket.inet_pton(family, end) for end in (source, destination)]
    ends = [np.frombuffer(end, np.uint8)[None] for end in packed]
    (pseudo,) = tcp.pseudo_header_sums(*ends)
    segments = np.zeros((4, tcp.SEGMENT_BYTES), np.uint8)
    number = np.array([0, 1, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32)
    port = np.array([80, 443, 1, 65_535], np.uint16)
    tcp.write_syns(segments, family, 40_000, port, number, np.full(4, pseudo, np.uint64))
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
    assert read.answer[:2].tolist() == [tcp.ANSWER_OPEN, tcp.ANSWER_CLOSED]
    assert read.initial_sequence[0] == 7
    assert read.port[0] == 80


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=96), min_size=1, max_size=8), st.sampled_from([V4, V6]))
def test_arbitrary_bytes_raise_nothing(packets: list[bytes], family: int) -> None:
    rows = np.zeros((len(packets), 128), np.uint8)
    for row, packet in enumerate(packets):
        rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
    length = np.array([len(packet) for packet in packets])
    inner, rest = icmp.after_ip_header(rows, length)
    for payload_bytes in (0, 44):
        icmp.read_echo_replies(inner, rest, family, payload_bytes)
    tcp.read_syn_answers(inner, rest)


def test_filters_are_as_long_as_their_jumps_say() -> None:
    for program in (bpf.echo_reply_filter(V4, 7), bpf.tcp_port_filter(V6, 7)):
        for place, (_, true, false, _) in enumerate(program):
            assert place + 1 + max(true, false) <= len(program) - 1 or program[place][0] == 6


OPEN, CLOSED = tcp.ANSWER_OPEN, tcp.ANSWER_CLOSED


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        ([OPEN, CLOSED, OPEN, CLOSED, OPEN], [OPEN] * 5),  # every second met a half-open one
        ([CLOSED] * 5, [CLOSED] * 5),
        ([OPEN, CLOSED, CLOSED, CLOSED], [OPEN, OPEN, CLOSED, CLOSED]),  # it was closed meanwhile
        ([CLOSED, OPEN, CLOSED, OPEN], [CLOSED, OPEN, OPEN, OPEN]),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_rst_after_syn_ack_means_open_and_rst_after_rst_closed(
    came: list[int], meant: list[int], at_once: int
) -> None:
    book = Ledger(1)
    one = np.ones(2, np.int64)
    book.add_sessions(np.arange(2), one, one, one.astype(float))
    mixed = np.array([[0, first] for first in came] + [[1, CLOSED] for _ in came])
    mixed = mixed.reshape(2, -1, 2).transpose(1, 0, 2).reshape(-1, 2)  # the two sessions in turn
    read = [
        port_answers(book, part[:, 0], part[:, 1].astype(np.uint8))
        for part in np.split(mixed, range(at_once, len(mixed), at_once))
    ]
    answer = np.concatenate(read)
    assert answer[mixed[:, 0] == 0].tolist() == meant
    assert answer[mixed[:, 0] == 1].tolist() == [CLOSED] * len(came)
