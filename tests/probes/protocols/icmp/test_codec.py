"""ICMP echo as the engine sends it: which replies are ours, and what is told of others."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from codec_packets import outgoing, received, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.addresses import ADDRESS_BYTES
from probes.channels.codec import ANSWER_REPLY
from probes.channels.discarded import CHECKSUM, MALFORMED, TRUNCATED
from probes.protocols.icmp.codec import EchoCodec
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket

MARK = 0xBEEF
IP_HEADER = bytes([0x45, 0, 0, 0]) + bytes(16)
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


@pytest.fixture(params=FAMILIES)
def opened(request: pytest.FixtureRequest) -> Iterator[OpenSocket]:
    """A raw socket's description: over IPv4 it hears IP headers, over IPv6 it does not."""
    family = FAMILIES[request.param]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        yield OpenSocket(sock, MARK, with_ip_header=family == socket.AF_INET)


def internet_checksum(octets: bytes) -> int:
    """Return the checksum of RFC 1071 §1."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def replies_to(opened: OpenSocket, requests: np.ndarray) -> list[bytes]:
    """Return what a host answers: the request with another type, and its own checksum."""
    answers = []
    for request in requests:
        packet = bytearray(request.tobytes())
        if opened.with_ip_header:
            packet[0], packet[2:4] = 0, bytes(2)
            packet[2:4] = internet_checksum(bytes(packet)).to_bytes(2, "big")
            answers.append(IP_HEADER + packet)
        else:
            packet[0] = 129
            answers.append(bytes(packet))
    return answers


def written(codec: EchoCodec, count: int) -> tuple[np.ndarray, np.ndarray]:
    packets = np.full((count, codec.bytes_a_probe), 0xAA, np.uint8)  # what was in the ring before
    return packets, codec.write(packets, outgoing(count))


@pytest.mark.parametrize("payload_bytes", [0, 2, 13, 14, 44, 200])
def test_reply_repeats_number_and_check_of_its_request(
    opened: OpenSocket, payload_bytes: int
) -> None:
    codec = EchoCodec(opened, payload_bytes)
    packets, check = written(codec, 5)
    assert packets.shape[1] == 8 + payload_bytes
    said = codec.read(received(replies_to(opened, packets)))
    assert said.valid.all()
    assert (said.check == check).all()
    assert said.low_sequence.tolist() == outgoing(5).sequence.tolist()
    assert set(said.answer.tolist()) == {ANSWER_REPLY}
    assert said.fault is None


def test_payload_with_room_for_it_carries_a_token_that_only_we_know(opened: OpenSocket) -> None:
    _, check = written(EchoCodec(opened, 14), 100)
    assert len(np.unique(check)) == 100
    assert (check == outgoing(100).tokens()).all()
    assert not written(EchoCodec(opened, 13), 3)[1].any()


def test_nothing_of_what_was_in_memory_before_is_sent(opened: OpenSocket) -> None:
    packets, _ = written(EchoCodec(opened, 100), 2)
    assert not packets[:, 8 + 14 :].any()


def test_faults_are_told_apart(opened: OpenSocket) -> None:
    codec = EchoCodec(opened, 44)
    good = replies_to(opened, written(codec, 1)[0])[0]
    header = len(good) - codec.bytes_a_probe
    other_mark = bytearray(good)
    other_mark[header + 4] ^= 1
    flipped = bytearray(good)
    flipped[-1] ^= 1
    said = codec.read(received([good, good[:-10], bytes(other_mark), bytes(flipped)]))
    assert said.valid[:3].tolist() == [True, False, False]
    assert said.fault is not None
    if opened.with_ip_header:  # over IPv6 the kernel verifies checksums
        assert said.fault[1:].tolist() == [TRUNCATED, CHECKSUM, CHECKSUM]
        assert not said.valid[3]
    else:
        assert said.fault[1:3].tolist() == [TRUNCATED, MALFORMED]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120))
def test_whatever_comes_is_valid_or_has_its_fault(opened: OpenSocket, packet: bytes) -> None:
    codec = EchoCodec(opened, 44)
    said = codec.read(received([packet]))
    assert said.valid[0] or said.fault is not None
    number, bits = codec.number_in(received([packet]))
    assert bits == 16
    assert -1 <= number[0] < 1 << 16


def test_what_is_left_of_the_number_in_a_faulty_reply_is_read(opened: OpenSocket) -> None:
    codec = EchoCodec(opened, 44)
    good = replies_to(opened, written(codec, 3)[0])
    header = len(good[0]) - codec.bytes_a_probe
    number, _ = codec.number_in(received([good[2][: header + 8], good[2][: header + 7]]))
    assert number.tolist() == [3, -1]


def test_icmp_error_that_quotes_eight_octets_tells_the_probe(opened: OpenSocket) -> None:
    """A router need not quote more (RFC 792)."""
    codec = EchoCodec(opened, 44)
    packets, _ = written(codec, 4)
    quotes = [packets[3].tobytes()[:8], packets[3].tobytes()[:7], packets[1].tobytes()]
    quotes.append(quotes[0][:4] + b"\x12\x34" + quotes[0][6:])  # another program's
    payload, length = rows(quotes, 64)
    nothing = np.zeros(4, np.int32)
    nobody = np.zeros((4, ADDRESS_BYTES), np.uint8)
    quoted = codec.quoted(
        IcmpErrors(nothing, nothing.view(np.uint32), nobody, nobody, payload, length)
    )
    assert quoted.known.tolist() == quoted.numbered.tolist() == [True, False, True, False]
    assert quoted.low_sequence[[0, 2]].tolist() == [4, 2]
