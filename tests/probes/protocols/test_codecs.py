"""Every codec of the engine on arbitrary and cut packets: an answer or nothing, never an error."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.addresses import ADDRESS_BYTES, pack_address
from probes.channels.codec import Codec, Outgoing
from probes.protocols.icmp.codec import EchoCodec
from probes.protocols.stamp.authenticated import AuthenticatedCodec
from probes.protocols.stamp.codec import StampCodec
from probes.protocols.tcp.codec import SynCodec
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket
from probes.stamp.packet import (
    AUTHENTICATED_BYTES,
    ReflectorPacket,
    decode_sender,
    encode_reflector,
)
from probes.stamp.tlv import (
    FOLLOW_UP_TELEMETRY,
    HMAC,
    FollowUpTelemetry,
    check_tlvs,
    decode_tlvs,
    encode_tlvs,
    reflect_tlvs,
)

KEY = bytes(range(32))
WIDTH = 256


@pytest.fixture(params=["echo", "stamp", "follow-up", "authenticated", "syn"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def codec(request: pytest.FixtureRequest, kind: str) -> Iterator[Codec]:
    with socket.socket(request.param, socket.SOCK_DGRAM) as sock:
        opened = OpenSocket(sock, 0xBEEF, with_ip_header=request.param == socket.AF_INET)
        made: dict[str, Codec] = {
            "echo": EchoCodec(opened, 44),
            "stamp": StampCodec(44, 1),
            "follow-up": StampCodec(64, 1),
            "authenticated": under_key(200, 1),
            "syn": SynCodec(opened, 7),
        }
        yield made[kind]


def under_key(payload_bytes: int, ssid: int, *keys: bytes, sessions: int = 1) -> AuthenticatedCodec:
    """A codec whose peer is the one that `received` names, told of keys one after another."""
    codec = AuthenticatedCodec(payload_bytes, ssid)
    for key in keys or (KEY,):
        address = np.zeros((sessions, ADDRESS_BYTES), np.uint8)
        codec.use_keys(np.arange(sessions), address, [key] * sessions)
    return codec


def rows(packets: list[bytes], width: int) -> tuple[np.ndarray, np.ndarray]:
    memory = np.zeros((len(packets), width), np.uint8)
    for row, packet in enumerate(packets):
        cut = packet[:width]
        memory[row, : len(cut)] = np.frombuffer(cut, np.uint8)
    return memory, np.array([min(len(packet), width) for packet in packets], np.int64)


def received(packets: list[bytes]) -> Received:
    payload, length = rows(packets, WIDTH)
    count = len(packets)
    return Received(
        payload=payload,
        length=length,
        timestamp_ns=np.zeros(count, np.int64),
        timestamp_kind=np.zeros(count, np.uint8),
        ttl=np.zeros(count, np.uint8),
        tos=np.zeros(count, np.int16),
        address=np.zeros((count, ADDRESS_BYTES), np.uint8),
        truncated=np.zeros(count, np.bool_),
        destination=np.zeros((count, 16), np.uint8),
    )


packets = st.lists(st.binary(max_size=WIDTH), min_size=1, max_size=6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(packets)
def test_arbitrary_packets_raise_nothing(codec: Codec, found: list[bytes]) -> None:
    said = codec.read(received(found))
    assert len(said.valid) == len(said.low_sequence) == len(said.check) == len(found)
    payload, length = rows(found, 64)
    address = np.zeros((len(found), ADDRESS_BYTES), np.uint8)
    nothing = np.zeros(len(found), np.int32)
    quoted = codec.quoted(
        IcmpErrors(nothing, nothing.view(np.uint32), address, address, payload, length)
    )
    assert len(quoted.known) == len(quoted.numbered) == len(quoted.low_sequence) == len(found)


def probes(count: int) -> Outgoing:
    number = np.arange(count)
    return Outgoing(number, number + 1, number.astype(np.uint64), 1_700_000_000_123_456_789, 0x8EC8)


def test_authenticated_requests_are_those_of_the_single_packet_codec() -> None:
    codec = under_key(200, 0x1234, sessions=3)
    written = np.full((3, codec.bytes_a_probe), 0xFF, np.uint8)
    codec.write(written, probes(3))
    for row, packet in enumerate(written):
        read = decode_sender(packet.tobytes(), KEY)
        assert (read.sequence, read.ssid, read.error_estimate) == (row + 1, 0x1234, 0x8EC8)
        assert abs(read.sent_wall_ns - 1_700_000_000_123_456_789 - row) <= 1


@pytest.mark.parametrize("flipped", [None, 0, 33, 95, 96, AUTHENTICATED_BYTES - 1])
def test_authenticated_replies_are_believed_as_they_were_signed(flipped: int | None) -> None:
    codec = under_key(112, 0x1234)
    written = np.zeros((1, 112), np.uint8)
    check = codec.write(written, probes(1))
    asked = decode_sender(written[0].tobytes(), KEY)
    reply = ReflectorPacket(
        sequence=3, t3=asked.t1 + (2 << 32), error_estimate=0x8F96, ssid=0x1234,
        t2=asked.t1 + (1 << 32), sender_sequence=asked.sequence, sender_t1=asked.t1,
        sender_error_estimate=asked.error_estimate, sender_ttl=63,
    )  # fmt: skip
    octets = bytearray(encode_reflector(reply, KEY))
    if flipped is not None:
        octets[flipped] ^= 1
    said = codec.read(received([bytes(octets)]))
    assert said.valid.tolist() == [flipped is None]
    assert codec.forged == (flipped is not None)
    if flipped is None:
        fields = said.reflector
        assert fields is not None
        assert (said.low_sequence[0], said.check[0]) == (1, check[0])
        assert (fields.sequence[0], fields.ssid[0], fields.sender_ttl[0]) == (3, 0x1234, 63)
        assert fields.transmit_wall_ns[0] - fields.receive_wall_ns[0] == 1_000_000_000


def signed_reply(codec: AuthenticatedCodec, key: bytes) -> bytes:
    written = np.zeros((1, codec.bytes_a_probe), np.uint8)
    codec.write(written, probes(1))
    octets = written[0].tobytes()
    sequence, t1 = int.from_bytes(octets[:4], "big"), int.from_bytes(octets[16:24], "big")
    reply = ReflectorPacket(
        sequence=0, t3=t1, error_estimate=0x8F96, ssid=1, t2=t1, sender_sequence=sequence,
        sender_t1=t1, sender_error_estimate=0x8EC8,
    )  # fmt: skip
    return encode_reflector(reply, key)


def of_hmac(key: bytes) -> bytes:
    return key.ljust(64, b"\0")  # which RFC 2104 makes of it: zeros behind it make no other key


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=32), min_size=1, max_size=4, unique_by=of_hmac))
def test_replies_are_believed_under_the_newest_key_and_the_one_before(keys: list[bytes]) -> None:
    codec = under_key(112, 1, *keys)
    address = np.zeros((1, ADDRESS_BYTES), np.uint8)
    codec.use_keys(np.arange(1), address, [None])  # nothing new: they stay
    written = np.zeros((1, 112), np.uint8)
    codec.write(written, probes(1))
    assert decode_sender(written[0].tobytes(), keys[-1]).sequence == 1
    believed = [bool(codec.read(received([signed_reply(codec, key)])).valid[0]) for key in keys]
    assert believed == [key in keys[-2:] for key in keys]


def test_key_of_one_peer_signs_nothing_for_another() -> None:
    codec = AuthenticatedCodec(112, 1)
    address = np.stack([pack_address("192.0.2.1", 862), pack_address("192.0.2.2", 862)])
    other = bytes(range(1, 33))
    codec.use_keys(np.arange(2), address, [KEY, other])
    written = np.zeros((2, 112), np.uint8)
    codec.write(written, probes(2))
    for row, key in enumerate((KEY, other)):
        assert decode_sender(written[row].tobytes(), key).sequence == row + 1
    replies = received([signed_reply(codec, KEY), signed_reply(codec, KEY)])
    replies.address[:] = address
    assert codec.read(replies).valid.tolist() == [True, False]


@pytest.mark.parametrize("flipped", [None, 3, 95, 96, 115, 120, 131, 132, 135, 136, 151])
def test_follow_up_under_an_hmac_is_asked_for_and_believed_as_it_was_signed(
    flipped: int | None,
) -> None:
    codec = under_key(152, 0x1234)
    written = np.zeros((1, 152), np.uint8)
    codec.write(written, probes(1))
    asked = decode_sender(written[0].tobytes(), KEY)
    tlvs = decode_tlvs(asked.rest)
    assert [tlv.type for tlv in tlvs] == [FOLLOW_UP_TELEMETRY, HMAC]
    assert check_tlvs(tlvs, KEY, asked.sequence, required=True)
    left = FollowUpTelemetry(7, asked.t1, 2)
    answers = {FOLLOW_UP_TELEMETRY: lambda _: left.to_tlv()}
    rest = reflect_tlvs(tlvs, answers, key=KEY, sender_sequence=1, sequence=9, authenticated=True)
    reply = ReflectorPacket(
        sequence=9, t3=asked.t1, error_estimate=0x8F96, ssid=0x1234, t2=asked.t1,
        sender_sequence=1, sender_t1=asked.t1, sender_error_estimate=0x8EC8,
        rest=encode_tlvs(rest),
    )  # fmt: skip
    octets = bytearray(encode_reflector(reply, KEY))
    if flipped is not None:
        octets[flipped] ^= 1
    said = codec.read(received([bytes(octets)]))
    fields = said.reflector
    assert fields is not None
    assert said.asks_follow_up
    assert said.valid.tolist() == [flipped is None or flipped >= 112]
    assert fields.follow_up_valid.tolist() == [flipped is None]
    if flipped is None:
        assert fields.follow_up_sequence.tolist() == [7]
        assert abs(int(fields.follow_up_wall_ns[0]) - 1_700_000_000_123_456_789) <= 1


def test_reply_without_its_follow_up_is_still_believed() -> None:
    codec = under_key(152, 1)
    said = codec.read(received([signed_reply(codec, KEY)]))  # a reflector that leaves TLVs out
    fields = said.reflector
    assert fields is not None
    assert (said.valid.tolist(), fields.follow_up_valid.tolist()) == ([True], [False])


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2, 300])
def test_only_the_acknowledgement_of_a_syn_tells_its_probe(off: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        codec = SynCodec(OpenSocket(sock, 0xBEEF), 0xFFFF_FE00)  # numbers wrap
        codec.use_addresses(np.full(4, 443, np.uint16), np.zeros(4, np.uint64))
        sent = probes(4)
        written = np.zeros((4, codec.bytes_a_probe), np.uint8)
        check = codec.write(written, sent)
    initial = written[:, 4:8].copy().view(">u4")[:, 0]
    answers = [
        struct.pack("!HHIIBBHHH", 443, 0xBEEF, 1, (number + 1 + off) & 0xFFFFFFFF, 80, 18, 9, 0, 0)
        for number in initial.tolist()
    ]
    said = codec.read(received(answers))
    assert said.valid.all()
    fits = (said.low_sequence == sent.sequence) & (said.check == check)
    assert fits.all() if off == 0 else not fits.any()


def test_stamp_requests_of_one_batch_differ_in_their_timestamps() -> None:
    packets = np.zeros((512, 44), np.uint8)
    check = StampCodec(44, 1).write(packets, probes(512))
    assert len(np.unique(check)) == 512
