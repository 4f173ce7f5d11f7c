"""Unauthenticated requests turned into replies, as columns and in place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflector_parts import MOMENT, T2_NS, T3_NS, requests, sources

from probes.reflector.reflection import Reflection
from probes.reflector.requests import Replies, Requests
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from tests.probes.stamp.test_packet import OPEN_REPLY, OPEN_REQUEST, REQUESTS

FOLLOW_UP = stamp_tlv.encode_tlvs([stamp_tlv.FollowUpTelemetry().to_tlv()])
INFORMATION = stamp_tlv.encode_tlvs([stamp_tlv.TimestampInformation().to_tlv()])


def answered(asked: Requests, reflection: Reflection | None = None) -> tuple[list[bytes], Replies]:
    replies = (reflection or Reflection()).answer(asked, MOMENT)
    octets = [asked.packet[row, :length].tobytes() for row, length in enumerate(replies.length)]
    return octets, replies


def test_reply_is_the_vector_of_the_wire() -> None:
    """All but two fields: the number is the first of its session, and T3 has the lag as well."""
    (reply,), replies = answered(requests([OPEN_REQUEST]))
    expected = bytearray(OPEN_REPLY)
    expected[:4], expected[12:14] = bytes(4), MOMENT.estimates.early.to_bytes(2, "big")
    assert reply == bytes(expected)
    assert (replies.malformed, replies.forged, replies.replayed) == (0, 0, 0)


@given(st.lists(REQUESTS, min_size=1, max_size=8))
def test_every_request_is_answered_in_its_row_and_at_its_length(
    packets: list[stamp.SenderPacket],
) -> None:
    octets, replies = answered(requests([stamp.encode_sender(one) for one in packets]))
    assert replies.request.tolist() == list(range(len(packets)))
    for packet, reply in zip(packets, octets, strict=True):
        said = stamp.decode_reflector(reply)
        assert len(reply) == 44 + len(packet.rest)
        assert (said.sender_sequence, said.sender_t1) == (packet.sequence, packet.t1)
        assert (said.ssid, said.sequence, said.sender_ttl) == (packet.ssid, 0, 63)
        assert abs(said.receive_wall_ns - T2_NS) <= 1
        assert abs(said.transmit_wall_ns - T3_NS) <= 1


@pytest.mark.parametrize("length", [14, 41, 43])
def test_request_shorter_than_the_base_packet_is_answered_with_one(length: int) -> None:
    """RFC 8762 §4.3: a base packet is sent in reply to what is shorter; TWAMP senders send 14."""
    (reply,), _ = answered(requests([OPEN_REQUEST[:length]]))
    said = stamp.decode_reflector(reply)
    assert (len(reply), said.sender_sequence) == (44, 7)
    assert said.ssid == (0x1234 if length >= 16 else 0)


def test_numbers_are_those_of_each_session_in_order_of_arrival() -> None:
    one, other = ("192.0.2.7", 1), ("192.0.2.7", 2)
    reflection = Reflection()
    asked = requests([OPEN_REQUEST] * 4, of=sources(one, other, one, one))
    assert answered(asked, reflection)[1].sequence.tolist() == [0, 0, 1, 2]
    asked = requests([OPEN_REQUEST] * 2, of=sources(other, one))
    assert answered(asked, reflection)[1].sequence.tolist() == [1, 3]
    assert reflection.sessions.count == 2


def test_unknown_ttl_is_told_as_unknown() -> None:
    (reply,), _ = answered(requests([OPEN_REQUEST], ttl=0))
    assert reply[40] == 255
    assert stamp.decode_reflector(reply).sender_ttl is None


def test_only_who_hears_by_follow_up_is_told_the_clocks_error_alone() -> None:
    padding = bytes([0x80, 1, 0, 4]) + bytes(4)
    packets = [OPEN_REQUEST, OPEN_REQUEST + FOLLOW_UP, OPEN_REQUEST + padding]
    octets, replies = answered(requests(packets))
    told = [int.from_bytes(reply[12:14], "big") for reply in octets]
    exact, early = MOMENT.estimates
    assert told == [early, exact, early]
    assert replies.tracked.tolist() == [1]


def test_follow_up_is_told_alike_alone_and_beside_other_extensions() -> None:
    """Alone it is answered as columns, beside others one packet at a time."""
    reflection = Reflection()
    for number, rest in enumerate((FOLLOW_UP, FOLLOW_UP + INFORMATION, FOLLOW_UP)):
        asked = requests([OPEN_REQUEST + rest])
        (reply,), replies = answered(asked, reflection)
        assert replies.tracked.tolist() == [0]
        told = stamp_tlv.FollowUpTelemetry.from_tlv(stamp_tlv.decode_tlvs(reply[44:])[0])
        assert told.sequence == max(number - 1, 0)
        reflection.sessions.note_tx_time(int(replies.slot[0]), number, T3_NS + number)


def test_reply_leaves_with_the_dscp_of_its_request_or_the_one_it_asks_for() -> None:
    service = stamp_tlv.encode_tlvs([stamp_tlv.ClassOfService.of(asked=10).to_tlv()])
    _, replies = answered(requests([OPEN_REQUEST, OPEN_REQUEST + service], tos=46 << 2 | 1))
    assert replies.tos.tolist() == [46 << 2, 10 << 2]
    _, replies = answered(requests([OPEN_REQUEST], tos=-1))
    assert replies.tos.tolist() == [0]


@given(st.lists(st.binary(min_size=14, max_size=120), min_size=1, max_size=6))
def test_arbitrary_requests_are_answered_and_none_disturbs_another(packets: list[bytes]) -> None:
    among_many, _ = answered(requests(packets))
    for row, packet in enumerate(packets):
        of = sources(("192.0.2.7", 40_000 + row))
        assert answered(requests([packet], of=of))[0] == [among_many[row]]
