"""What is answered one by one is answered octet for octet as among many."""

from __future__ import annotations

import socket

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probes.addresses import pack_address, unpack_address
from probes.reflector.context import Estimates, Moment
from probes.reflector.known_senders import (
    KnownSender,
    asks_follow_up,
    keys_of,
    reply_to,
    sender_key,
    write_t3,
)
from probes.reflector.reflection import Reflection
from probes.reflector.reply_timestamps import ReplyTimestamps
from probes.reflector.requests import Requests
from probes.reflector.sessions import read_sources
from probes.stamp.batch import read_sender_packets, write_sender_packets

T2_NS, T3_NS, NOW_NS = 1_700_000_000_123_456_789, 1_700_000_000_123_999_999, 77
MOMENT = Moment(local=1, now_ns=NOW_NS, wall_ns=lambda: T3_NS, estimates=Estimates(0x8587, 0x8AD2))
SIZES = [44, 46, 48, 52, 60, 64, 66, 68, 84, 1200]


def request_of(size: int, number: int, *, follow_up: bool) -> bytes:
    row = np.zeros((1, size), np.uint8)
    follow_up = follow_up and size >= 64
    sent_ns = np.array([T2_NS - 5_000], np.int64)
    write_sender_packets(
        row, np.array([number], np.uint32), sent_ns, 0x8587, 7, follow_up=follow_up
    )
    return row.tobytes()


class Both:
    """A session of one sender at two reflectors: one answers him among many, one alone."""

    def __init__(self) -> None:
        self.many, self.one = Reflection(), Reflection()
        self.error_queue = [ReplyTimestamps(each.sessions) for each in (self.many, self.one)]
        self.sources = read_sources(pack_address("192.0.2.7", 40_000)[None, :])
        self.slots = [
            int(each.sessions.slots(self.sources, np.array([7], np.uint16), 1, NOW_NS)[0])
            for each in (self.many, self.one)
        ]
        self.key = 0

    def answer(self, request: bytes, ttl: int) -> tuple[bytes, bytes]:
        packet = np.zeros((1, max(112, len(request))), np.uint8)
        packet[0, : len(request)] = np.frombuffer(request, np.uint8)
        replies = self.many.answer(
            Requests(
                packet=packet,
                length=np.array([len(request)]),
                sources=self.sources,
                receive_wall_ns=np.array([T2_NS]),
                ttl=np.array([ttl], np.uint8),
                tos=np.zeros(1, np.int16),
            ),
            MOMENT,
        )
        follow_up = asks_follow_up(request)
        assert follow_up == bool(len(replies.tracked))
        sender = KnownSender(self.slots[1], ("192.0.2.7", 40_000), -1)
        reply, sequence = reply_to(
            request,
            sender,
            self.one.sessions,
            MOMENT,
            T2_NS,
            ttl,
            follow_up=follow_up,
        )
        write_t3(reply, T3_NS)
        assert sequence == int(replies.sequence[0])
        if follow_up:
            keys = np.array([self.key], np.uint32)
            self.error_queue[0].expect(keys, replies.slot, replies.sequence)
            self.error_queue[1].expect_one(self.key, sender.slot, sequence)
        return packet[0, : int(replies.length[0])].tobytes(), bytes(reply)

    def leave(self) -> None:
        left_ns = T3_NS + 10_000 + self.key
        self.error_queue[0].left(np.array([self.key], np.uint32), np.array([left_ns]))
        self.error_queue[1].one_left(self.key, left_ns)
        self.key += 1


@given(
    st.lists(
        st.tuples(st.sampled_from(SIZES), st.booleans(), st.integers(0, 255), st.booleans()),
        max_size=12,
    )
)
def test_known_senders_hear_what_they_would_hear_among_many(
    requests: list[tuple[int, bool, int, bool]],
) -> None:
    both = Both()
    for number, (size, wants, ttl, leaves) in enumerate(requests):
        request = request_of(size, number, follow_up=wants)
        if asks_follow_up(request) is None:
            continue
        among_many, alone = both.answer(request, ttl)
        assert alone == among_many
        if leaves:
            both.leave()


@given(st.binary(min_size=44, max_size=96))
def test_only_what_needs_no_care_is_answered_alone(request: bytes) -> None:
    follow_up = asks_follow_up(request)
    if follow_up is not None:
        row = np.frombuffer(request, np.uint8)[None, :]
        fields = read_sender_packets(row, np.array([len(request)]))
        assert fields.plain.all()
        assert fields.follow_up.all() == follow_up


def test_a_request_that_needs_care_is_not_answered_alone() -> None:
    plain = request_of(84, 1, follow_up=True)
    assert asks_follow_up(plain) is True
    other_tlv = plain[:65] + b"\x04" + plain[66:]
    assert asks_follow_up(other_tlv) is None
    assert asks_follow_up(plain[:40]) is None
    assert asks_follow_up(plain[:83]) is None


def test_a_sender_is_known_by_address_port_and_session() -> None:
    rows = np.stack([pack_address("192.0.2.1", 5), pack_address("fe80::1", 9)])
    packet = np.zeros((2, 64), np.uint8)
    packet[:, 14:16] = 1
    for (raw, key), family in zip(
        keys_of(rows, packet), (socket.AF_INET, socket.AF_INET6), strict=True
    ):
        assert len(raw) == (16 if family == socket.AF_INET else 28)
        assert key == sender_key(raw, packet[0].tobytes())
    assert unpack_address(rows[0].tobytes()) == ("192.0.2.1", 5)
    assert unpack_address(rows[1].tobytes()) == ("fe80::1", 9, 0, 0)
