"""Authenticated requests: genuine ones are answered under the key that they came under."""

import dataclasses

import numpy as np
from asking import KEY, OLD, Sender, reflector, request
from hypothesis import given
from hypothesis import strategies as st
from reflector_parts import MOMENT, NOW_NS, T2_NS, requests, sources

from probes.reflector.context import Arrival
from probes.reflector.reflection import Reflection
from probes.stamp import packet as stamp
from probes.stamp import tlv as stamp_tlv
from probes.stamp.packet import SenderPacket
from probes.stamp.timestamps import wall_ns_to_ntp64
from probes.stamp.tlv import FollowUpTelemetry
from tests.probes.stamp.test_packet import SIGNED_REPLY, SIGNED_REQUEST


def test_a_recorded_request_is_not_answered_again():
    recorded = request(1, key=KEY)
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        assert len(sender.exchange(recorded)) == 112
        assert sender.is_not_answered(recorded, request(2, key=KEY), KEY)
        assert sender.probe(0, key=KEY).sender_sequence == 0  # late, within the window
        for sequence in (500, 0):  # the sender began again: a time nobody else can sign
            assert sender.probe(sequence, key=KEY).sender_sequence == sequence
    assert running.counters().replayed == 1


def test_a_wrong_hmac_tlv_sets_i_and_the_packet_is_still_reflected():
    information = stamp_tlv.TimestampInformation().to_tlv()
    chain = [information, stamp_tlv.hmac_tlv(b"another key", 0, [information])]
    with reflector(hmac_key=KEY) as running, Sender(running.addresses()[0]) as sender:
        reply = sender.probe(0, key=KEY, tlvs=chain)
    assert [tlv.failed for tlv in stamp_tlv.decode_tlvs(reply.rest)] == [True, True]


class Both:
    """A reflector asked for many replies at once, and one asked for each alone."""

    def __init__(self) -> None:
        self.many, self.one = Reflection(), Reflection()
        self.of = sources(("192.0.2.7", 40_000))

    def answer(
        self, octets: bytes, keys: tuple[bytes, ...], *, limited: bool = False
    ) -> tuple[bytes | str, bytes | str]:
        """Return what either says: the reply, or why there is none."""
        asked = requests([octets], of=self.of)
        replies = self.many.authenticated.answer(
            asked, [keys], MOMENT, lambda row: np.full(len(row), not limited)
        )
        among_many: bytes | str = "limited"
        if len(replies.length):
            among_many = asked.packet[0, : replies.length[0]].tobytes()
        for name in ("forged", "malformed", "replayed"):
            among_many = name if getattr(replies, name) else among_many
        ssid = np.array([int.from_bytes(octets[26:28], "big")], np.uint16)
        slot = int(self.one.sessions.slots(self.of, ssid, MOMENT.local, NOW_NS)[0])
        alone = self.one.authenticated.answer_one(
            octets,
            keys,
            slot,
            Arrival(T2_NS, 63, 0),
            MOMENT,
            refusal=lambda: "limited" if limited else None,
        )
        return among_many, alone if isinstance(alone, str) else alone.octets


def signed(sequence: int, key: bytes = KEY, *, t1: int | None = None, rest: bytes = b"") -> bytes:
    packet = SenderPacket(
        sequence=sequence,
        t1=wall_ns_to_ntp64(T2_NS) if t1 is None else t1,
        error_estimate=0x8EC8,
        ssid=0x1234,
        rest=rest,
    )
    return stamp.encode_sender(packet, key)


def test_reply_is_the_vector_of_the_wire() -> None:
    """All but its number, the first of its session, and what is told of this clock."""
    among_many, alone = Both().answer(SIGNED_REQUEST, (KEY,))
    assert among_many == alone
    assert isinstance(alone, bytes)
    said, expected = stamp.decode_reflector(alone, KEY), stamp.decode_reflector(SIGNED_REPLY, KEY)
    own = {"sequence": 0, "error_estimate": MOMENT.estimates.early}
    assert said == dataclasses.replace(expected, **own)


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 70),
        st.sampled_from([KEY, OLD, bytes(32)]),
        st.sampled_from([b"", bytes(8), FollowUpTelemetry().to_tlv().encode()]),
        st.booleans(),
    ),
    max_size=12,
)


@given(REQUESTS)
def test_what_is_said_alone_is_what_is_said_among_many(
    asked: list[tuple[int, bytes, bytes, bool]],
) -> None:
    both = Both()
    for sequence, key, rest, limited in asked:
        octets = signed(sequence, key, rest=rest)
        among_many, alone = both.answer(octets, (KEY, OLD), limited=limited)
        assert among_many == alone
        if isinstance(alone, bytes):
            assert stamp.decode_reflector(alone, key).sender_sequence == sequence
            assert len(alone) == len(octets)


@given(st.binary(max_size=160))
def test_whatever_bears_no_digest_of_ours_is_forged(octets: bytes) -> None:
    assert set(Both().answer(octets.ljust(28, b"\0"), (KEY, OLD))) == {"forged"}


def test_without_a_key_nothing_is_genuine() -> None:
    assert Both().answer(signed(1), ()) == ("forged", "forged")


def test_genuine_request_with_a_time_that_is_none_is_malformed() -> None:
    """A PTP timestamp with more nanoseconds than a second has."""
    packet = SenderPacket(sequence=1, t1=0xFFFF_FFFF, error_estimate=0x4001, ssid=0x1234)
    told = Both().answer(stamp.encode_sender(packet, KEY), (KEY,))
    assert told == ("malformed", "malformed")


def test_what_is_refused_for_a_limit_takes_no_number() -> None:
    both = Both()
    assert both.answer(signed(1), (KEY,), limited=True) == ("limited", "limited")
    _, alone = both.answer(signed(2), (KEY,))
    assert isinstance(alone, bytes)
    assert stamp.decode_reflector(alone, KEY).sequence == 0


def test_replies_are_packed_to_the_front_and_say_what_they_answer() -> None:
    asked = requests([signed(1, bytes(32)), signed(1), signed(2, OLD), signed(1)])
    of = sources(*[("192.0.2.7", 5)] * 4)
    asked = dataclasses.replace(asked, sources=of)
    keys = [(KEY, OLD)] * 4
    replies = Reflection().authenticated.answer(
        asked, keys, MOMENT, lambda row: np.ones(len(row), np.bool_)
    )
    assert replies.request.tolist() == [1, 2]
    assert (replies.forged, replies.replayed, replies.malformed) == (1, 1, 0)
    assert replies.sequence.tolist() == [0, 1]
    for row, (key, sequence) in enumerate(((KEY, 1), (OLD, 2))):
        octets = asked.packet[row, : replies.length[row]].tobytes()
        assert stamp.decode_reflector(octets, key).sender_sequence == sequence
