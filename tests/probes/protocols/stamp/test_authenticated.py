"""Authenticated STAMP as the engine sends it: what is signed, and what is believed."""

from __future__ import annotations

import numpy as np
import pytest
from codec_packets import KEY, outgoing, received, under_key
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.addresses import ADDRESS_BYTES, pack_address
from probes.protocols.stamp.authenticated import AuthenticatedCodec
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


def test_authenticated_requests_are_those_of_the_single_packet_codec() -> None:
    codec = under_key(200, 0x1234, sessions=3)
    written = np.full((3, codec.bytes_a_probe), 0xFF, np.uint8)
    codec.write(written, outgoing(3))
    for row, packet in enumerate(written):
        read = decode_sender(packet.tobytes(), KEY)
        assert (read.sequence, read.ssid, read.error_estimate) == (row + 1, 0x1234, 0x8EC8)
        assert abs(read.sent_wall_ns - 1_700_000_000_123_456_789 - row) <= 1


@pytest.mark.parametrize("flipped", [None, 0, 33, 95, 96, AUTHENTICATED_BYTES - 1])
def test_authenticated_replies_are_believed_as_they_were_signed(flipped: int | None) -> None:
    codec = under_key(112, 0x1234)
    written = np.zeros((1, 112), np.uint8)
    check = codec.write(written, outgoing(1))
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
    codec.write(written, outgoing(1))
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
    codec.write(written, outgoing(1))
    assert decode_sender(written[0].tobytes(), keys[-1]).sequence == 1
    believed = [bool(codec.read(received([signed_reply(codec, key)])).valid[0]) for key in keys]
    assert believed == [key in keys[-2:] for key in keys]


def test_key_of_one_peer_signs_nothing_for_another() -> None:
    codec = AuthenticatedCodec(112, 1)
    address = np.stack([pack_address("192.0.2.1", 862), pack_address("192.0.2.2", 862)])
    other = bytes(range(1, 33))
    codec.use_keys(np.arange(2), address, [KEY, other])
    written = np.zeros((2, 112), np.uint8)
    codec.write(written, outgoing(2))
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
    codec.write(written, outgoing(1))
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
