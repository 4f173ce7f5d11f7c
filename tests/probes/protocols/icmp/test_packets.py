"""ICMP echo packets, against what scapy builds and reads."""

from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from probes.protocols.icmp import packets as icmp
from probes.protocols.icmp.packets import is_undamaged
from probes.protocols.ip import after_ip_header

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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=96), min_size=1, max_size=8), st.sampled_from([V4, V6]))
def test_arbitrary_bytes_raise_nothing(packets: list[bytes], family: int) -> None:
    rows = np.zeros((len(packets), 128), np.uint8)
    for row, packet in enumerate(packets):
        rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
    length = np.array([len(packet) for packet in packets])
    inner, rest = after_ip_header(rows, length)
    for payload_bytes in (0, 44):
        icmp.read_echo_replies(inner, rest, family, payload_bytes)


@pytest.mark.parametrize("size", [8, 52, 53, 1_400])
def test_a_checksum_is_right_or_it_is_not(size: int) -> None:
    packets = np.random.default_rng(size).integers(0, 256, (3, size), np.uint8)
    packets[:, 2:4] = 0
    padded = np.pad(packets, ((0, 0), (0, size % 2)))
    total = padded.view(">u2").astype(np.uint64).sum(axis=1)
    for _ in range(4):
        total = (total & 0xFFFF) + (total >> 16)
    packets[:, 2:4] = (0xFFFF - total).astype(">u2").view(np.uint8).reshape(3, 2)
    packets[1, -1] ^= 4
    assert is_undamaged(packets, np.array([size, size, size - 1]), size).tolist() == [
        True,
        False,
        True,  # of another length: not judged
    ]
