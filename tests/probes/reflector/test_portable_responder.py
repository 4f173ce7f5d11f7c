"""Single datagrams answered without sockets: who, under which key, and by which number."""

from __future__ import annotations

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st
from reflector_parts import T2_NS, counts

from probes.reflector.context import Context
from probes.reflector.portable_responder import Datagram, PortableResponder
from probes.reflector.spec import ReflectorSpec
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.timestamps import decode_error_estimate
from tests.probes.stamp.test_packet import KEY, OPEN_REQUEST, REQUESTS, SIGNED_REQUEST

PEER = ("192.0.2.7", 40_000)


def responder(
    peers: tuple[str, ...] = ("192.0.2.0/24", "2001:db8::/32"), key: bytes | None = None
) -> tuple[PortableResponder, dict[str, int]]:
    told = counts()
    context = Context(clock=HandClock(), own_clock_bound_ns=lambda: 50_000.0, counts=told)
    spec = ReflectorSpec(address="192.0.2.1", port=862, peers=peers)
    return PortableResponder(context, spec, key), told


def ask(
    answering: PortableResponder, octets: bytes, source: tuple[object, ...] = PEER
) -> bytes | None:
    arrived = Datagram(octets, source, T2_NS)
    assert answering.respond(arrived)
    return arrived.reply


@given(REQUESTS, st.sampled_from([None, KEY]))
def test_reply_is_as_long_as_its_request_and_repeats_what_it_has_to(
    request: stamp.SenderPacket, key: bytes | None
) -> None:
    answering, told = responder(key=key)
    octets = stamp.encode_sender(request, key)
    reply = ask(answering, octets)
    assert reply is not None
    assert len(reply) == len(octets)
    said = stamp.decode_reflector(reply, key)
    assert (said.sender_sequence, said.sender_t1) == (request.sequence, request.t1)
    assert (said.sender_error_estimate, said.ssid) == (request.error_estimate, request.ssid)
    assert abs(said.receive_wall_ns - T2_NS) <= 1
    assert decode_error_estimate(said.error_estimate).error_ns >= 50_000
    assert said.sender_ttl is None  # user space cannot see it
    assert told["received"] == 1


def test_replies_are_numbered_by_session() -> None:
    answering, _ = responder()
    other_ssid = OPEN_REQUEST[:14] + b"\0\x09" + OPEN_REQUEST[16:]
    asked = [
        (OPEN_REQUEST, PEER),
        (OPEN_REQUEST, PEER),
        (OPEN_REQUEST, ("192.0.2.7", 40_001)),
        (other_ssid, PEER),
        (OPEN_REQUEST, ("2001:db8::1%eth0", 40_000, 0, 2)),
        (OPEN_REQUEST, PEER),
    ]
    replies = [ask(answering, octets, source) for octets, source in asked]
    numbers = [stamp.decode_reflector(reply or b"").sequence for reply in replies]
    assert numbers == [0, 1, 0, 0, 0, 2]


@pytest.mark.parametrize(
    "source",
    [
        ("198.51.100.1", 40_000),
        ("2001:db9::1", 40_000, 0, 0),
        ("192.0.2.7", 0),  # nothing can be sent there
        ("192.0.2.7", 862),  # another reflector: they must never answer each other
    ],
)
def test_strangers_are_refused(source: tuple[object, ...]) -> None:
    answering, told = responder()
    assert ask(answering, OPEN_REQUEST, source) is None
    assert (told["refused"], told["received"]) == (1, 1)


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (OPEN_REQUEST[:13], None),
        (OPEN_REQUEST, KEY),
        (SIGNED_REQUEST, KEY[::-1]),
        (SIGNED_REQUEST[:-1], KEY),
    ],
)
def test_what_is_no_request_or_bears_no_digest_of_ours_is_malformed(
    octets: bytes, key: bytes | None
) -> None:
    answering, told = responder(key=key)
    assert ask(answering, octets) is None
    assert told["malformed"] == 1


def test_extensions_come_back_as_not_understood() -> None:
    """RFC 8972 §4: a reflector that knows none of them leaves U set."""
    answering, _ = responder()
    rest = stamp_tlv.encode_tlvs([stamp_tlv.FollowUpTelemetry().to_tlv()])
    reply = ask(answering, OPEN_REQUEST + rest)
    assert reply is not None
    assert reply[44:] == rest
    assert [tlv.unrecognised for tlv in stamp_tlv.decode_tlvs(reply[44:])] == [True]


@given(st.binary(max_size=200))
def test_whatever_comes_is_answered_or_counted(octets: bytes) -> None:
    answering, told = responder()
    reply = ask(answering, octets)
    assert (reply is None) == (told["malformed"] == 1)
    assert told["received"] == 1
