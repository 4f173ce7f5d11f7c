"""A batch socket with STAMP's codec, and plain sockets as its peers on loopback."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from patience import wait_until

from probes.addresses import pack_address
from probes.channels.channel import Channel, ProbeIcmpErrors, Replies
from probes.channels.codec import Outgoing
from probes.channels.discarded import OTHER_ADDRESS, TRUNCATED
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.registry import protocol_of

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
FIRST, SECOND = 3, 8  # sessions
WALL_NS = 1_700_000_000_000_000_000


class Peers:
    """A channel of two sessions, and who answers each."""

    def __init__(self, family: int) -> None:
        self.family, self.host = family, HOSTS[socket.AddressFamily(family)]
        self.sockets = {session: self.socket() for session in (FIRST, SECOND)}
        order = ChannelOrder(
            number=5,
            protocol=protocol_of("udp"),
            family=family,
            source=self.host,
            dscp=0,
            payload_bytes=44,
            authenticated=False,
        )
        self.channel: Channel = ChannelKit(np.random.default_rng(1)).open_channel(order)
        self.addresses = np.zeros((10, 28), np.uint8)
        for session, peer in self.sockets.items():
            self.addresses[session] = pack_address(self.host, peer.getsockname()[1])
        sessions = np.array([FIRST, SECOND])
        self.channel.set_peers(sessions, self.addresses[sessions])

    def socket(self) -> socket.socket:
        sock = socket.socket(self.family, socket.SOCK_DGRAM)
        sock.bind((self.host, 0))
        sock.settimeout(60)
        return sock

    def send(self, *probes: tuple[int, int], row: int = 100) -> tuple[list[int], list[int]]:
        """Send probes (session, number); return their errnos and checks."""
        session, number = (np.array(column) for column in zip(*probes, strict=True))
        outgoing = Outgoing(session, number, np.zeros(len(probes), np.uint64), WALL_NS, 0x8587)
        rows = np.arange(row, row + len(probes))
        result, check = self.channel.send(outgoing, self.addresses, rows)
        return result.error.tolist(), check.tolist()

    def answer(self, session: int, by: socket.socket | None = None, length: int = 44) -> None:
        """Let the peer of a session answer one probe, or another socket in its place."""
        request, sender = self.sockets[session].recvfrom(2048)
        reply = bytearray(44)
        reply[:24], reply[24:38] = request[:24], request[:14]
        (by or self.sockets[session]).sendto(reply[:length], sender)

    def receive(self) -> Replies:
        """Wait for something, and return what came."""
        assert select.select([self.channel.socket.fileno()], [], [], 60)[0]
        replies = self.channel.receive()
        assert replies is not None
        return replies

    def close(self) -> None:
        self.channel.close()
        for sock in self.sockets.values():
            sock.close()


@pytest.fixture(params=HOSTS, ids=["IPv4", "IPv6"])
def peers(request: pytest.FixtureRequest) -> Iterator[Peers]:
    made = Peers(request.param)
    yield made
    made.close()


def test_answers_find_their_session_by_the_address_that_they_came_from(peers: Peers) -> None:
    errors, check = peers.send((FIRST, 1), (SECOND, 1), (FIRST, 2))
    assert errors == [0, 0, 0]
    got: dict[tuple[int, int], int] = {}
    for session in (SECOND, FIRST, FIRST):
        peers.answer(session)
        replies = peers.receive()
        got |= dict(
            zip(
                zip(replies.session.tolist(), replies.low_sequence.tolist(), strict=True),
                replies.check.tolist(),
                strict=True,
            )
        )
    assert got == dict(zip([(FIRST, 1), (SECOND, 1), (FIRST, 2)], check, strict=True))
    assert peers.channel.take_discarded() == []
    assert sorted(peers.channel.sessions().tolist()) == [FIRST, SECOND]


def test_nothing_that_came_is_none(peers: Peers) -> None:
    assert peers.channel.receive() is None


def test_sound_answer_of_a_stranger_is_set_aside_with_what_it_repeats(peers: Peers) -> None:
    _, (check,) = peers.send((FIRST, 9))
    with peers.socket() as stranger:
        peers.answer(FIRST, by=stranger)
        assert len(peers.receive()) == 0
    (found,) = peers.channel.take_discarded()
    assert (found.session.tolist(), found.reason.tolist()) == ([-1], [OTHER_ADDRESS])
    assert (found.low_sequence.tolist(), found.check.tolist()) == ([9], [check])
    assert peers.channel.take_discarded() == []  # told once


@pytest.mark.parametrize(("length", "number"), [(30, 9), (20, -1)])
def test_faulty_answer_of_a_peer_is_set_aside_with_the_number_that_is_left(
    peers: Peers, length: int, number: int
) -> None:
    peers.send((SECOND, 9))
    peers.answer(SECOND, length=length)
    assert len(peers.receive()) == 0
    (found,) = peers.channel.take_discarded()
    assert (found.session.tolist(), found.reason.tolist()) == ([SECOND], [TRUNCATED])
    assert found.low_sequence.tolist() == [number]


def test_a_session_that_no_longer_uses_the_channel_is_a_stranger(peers: Peers) -> None:
    peers.send((FIRST, 1))
    peers.channel.set_peers(np.array([SECOND]), peers.addresses[[SECOND]])
    peers.answer(FIRST)
    assert len(peers.receive()) == 0
    assert [one.session.tolist() for one in peers.channel.take_discarded()] == [[-1]]


def test_timestamps_name_the_rows_of_their_probes(peers: Peers) -> None:
    peers.send((FIRST, 1), (SECOND, 1), row=7)
    found: dict[int, int] = {}

    def all_came() -> bool:
        row, timestamps = peers.channel.tx_timestamps()
        found.update(zip(row.tolist(), timestamps.timestamp_ns.tolist(), strict=True))
        return len(found) == 2

    wait_until(all_came)
    assert sorted(found) == [7, 8]
    assert not peers.channel.more_timestamps(0)
    assert not peers.channel.more_timestamps(2)  # fewer than are read at once: those were all
    assert peers.channel.more_timestamps(peers.channel.capacity)


def test_icmp_error_names_the_session_and_the_probe(peers: Peers) -> None:
    peers.sockets[SECOND].close()  # nobody listens there any more
    peers.send((FIRST, 4), (SECOND, 6))
    found: list[ProbeIcmpErrors] = []

    def told() -> bool:
        peers.channel.tx_timestamps()  # they share a queue
        found.extend(peers.channel.icmp_errors())
        return bool(found)

    wait_until(told)
    (one,) = found
    assert (one.session.tolist(), one.low_sequence.tolist()) == ([SECOND], [6])
    assert (one.numbered.tolist(), one.error.tolist()) == ([True], [errno.ECONNREFUSED])


def test_nothing_is_sent_from_a_source_that_is_gone(peers: Peers) -> None:
    """IPv6 would continue sending from it."""
    peers.channel.source_is_gone = True
    assert peers.send((FIRST, 1), (SECOND, 1))[0] == [errno.EADDRNOTAVAIL] * 2
    peers.channel.source_is_gone = False
    peers.send((FIRST, 2))
    assert peers.sockets[FIRST].recv(2048)[:4] == (2).to_bytes(4, "big")


def test_answers_without_room_are_claimed_once_and_by_probes_sent_before(peers: Peers) -> None:
    descriptor = peers.channel.socket.fileno()
    with socket.socket(fileno=socket.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sent_ns = np.array([50, 60, 200])
    assert [len(part) for part in peers.channel.claim_dropped(sent_ns, 100)] == [0, 0]
    peers.send(*[(FIRST, number) for number in range(1, 61)])
    peers.channel.tx_timestamps()
    for _ in range(60):
        peers.answer(FIRST)
    came = 0
    while (replies := peers.channel.receive()) is not None:
        came += len(replies)
    assert came < 58
    unread, damaged = peers.channel.claim_dropped(sent_ns, 100)
    assert (unread.tolist(), damaged.tolist()) == ([0, 1], [])  # the third was sent afterwards
    everyone = np.zeros(100, np.int64)
    assert len(peers.channel.claim_dropped(everyone, 300)[0]) == 60 - came - 2
    assert len(peers.channel.claim_dropped(everyone, 300)[0]) == 0


def test_ipv6_flow_has_a_label_and_ipv4_has_none(peers: Peers) -> None:
    mark = peers.channel.flow_mark
    assert (mark.label is not None) == (peers.family == socket.AF_INET6)
    peers.send((FIRST, 1))
    assert peers.sockets[FIRST].recvfrom(2048)[1][1] == mark.mark
