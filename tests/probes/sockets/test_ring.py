"""Memory laid out as sendmmsg(2) and recvmmsg(2) want it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from probes.addresses import pack_address, unpack_address
from probes.sockets.ring import Ring, Rings

Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["v4", "v6"])
def ends(request: pytest.FixtureRequest) -> Iterator[Sockets]:
    """Who sends and who receives, on loopback."""
    family, host = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, one.type) as other:
        for sock in (one, other):
            sock.bind((host, 0))
        yield one, other


def filled(count: int, to: socket.socket, *, capacity: int = 8, width: int = 32) -> Ring:
    """A ring of packets to `to`: number n has 4 + n octets, all of them n."""
    ring = Ring(capacity, width, 64)
    ring.messages["controllen"] = 0
    host, port = to.getsockname()[:2]
    ring.address[:] = pack_address(host, port)
    ring.messages["namelen"] = 16 if ":" not in host else 28
    for number in range(count):
        ring.payload[number] = number
        ring.length[number] = 4 + number
    return ring


def test_packets_come_out_as_they_went_in(ends: Sockets) -> None:
    sender, receiver = ends
    assert not filled(8, receiver).send(sender.fileno(), 8).any()
    ring = Ring(8, 32, 64)
    assert ring.receive(receiver.fileno(), 0) == 8
    for number in range(8):
        name_bytes, _, flags, length = ring.read_header(number)
        assert (length, flags) == (4 + number, 0)
        assert length == ring.messages["length"][number]
        assert ring.payload[number, :length].tolist() == [number] * length
        address = unpack_address(ring.address[number, :name_bytes].tobytes())
        assert address[:2] == sender.getsockname()[:2]


def test_receiving_never_waits(ends: Sockets) -> None:
    assert Ring(8, 32, 64).receive(ends[0].fileno(), 0) == 0


def test_more_than_a_ring_holds_comes_the_next_time(ends: Sockets) -> None:
    sender, receiver = ends
    filled(8, receiver).send(sender.fileno(), 8)
    ring = Ring(5, 32, 64)
    assert [ring.receive(receiver.fileno(), 0) for _ in range(3)] == [5, 3, 0]
    assert ring.payload[0, 0] == 5  # of the second batch


def test_a_packet_longer_than_a_row_is_cut_and_says_so(ends: Sockets) -> None:
    sender, receiver = ends
    filled(8, receiver).send(sender.fileno(), 8)
    ring = Ring(8, 6, 64)
    ring.receive(receiver.fileno(), 0)
    cut = ring.messages["flags"] & socket.MSG_TRUNC != 0
    assert cut.tolist() == [False] * 3 + [True] * 5
    assert ring.messages["length"].tolist() == [4, 5, 6, 6, 6, 6, 6, 6]


def test_headers_are_whole_again_for_every_batch(ends: Sockets) -> None:
    """The kernel writes into them how much of each it used."""
    sender, receiver = ends
    ring = Ring(8, 32, 64)
    for count in (8, 1, 8):
        filled(count, receiver).send(sender.fileno(), count)
        assert ring.receive(receiver.fileno(), 0) == count
        assert (ring.messages["controllen"][:count] == 0).all()  # nothing was asked for
        assert set(ring.messages["namelen"][:count].tolist()) <= {16, 28}


def test_each_packet_that_is_not_taken_has_its_errno_and_stops_no_other(ends: Sockets) -> None:
    sender, receiver = ends
    ring = filled(8, receiver)
    ring.address[[0, 3, 4, 7], 2:4] = 0  # port 0
    error = ring.send(sender.fileno(), 8)
    assert np.flatnonzero(error).tolist() == [0, 3, 4, 7]
    assert set(error[error != 0].tolist()) == {errno.EINVAL}
    came = Ring(8, 32, 64)
    assert came.receive(receiver.fileno(), 0) == 4
    assert came.payload[:4, 0].tolist() == [1, 2, 5, 6]


def test_icmp_error_of_an_earlier_packet_is_not_taken_for_that_of_a_later_one(
    ends: Sockets,
) -> None:
    """A connected socket hears at its next call that nobody listened for the last packet."""
    sender, receiver = ends
    ring = filled(8, receiver)
    ring.messages["namelen"] = 0  # where the socket is connected to
    sender.connect(receiver.getsockname())
    receiver.close()
    ring.send(sender.fileno(), 1)
    for _ in range(5):
        assert not ring.send(sender.fileno(), 1).any()
    assert ring.receive(sender.fileno(), 0) == 0


def test_ring_over_another_answers_in_the_rows_that_were_received(ends: Sockets) -> None:
    sender, receiver = ends
    filled(3, receiver).send(sender.fileno(), 3)
    rings = Rings.of(8, 32, in_place=True)
    assert rings.receive.receive(receiver.fileno(), 0) == 3
    rings.send.payload[:3, 0] += 100
    rings.send.length[:3] = rings.receive.messages["length"][:3]
    rings.send.messages["controllen"] = 0
    rings.send.messages["namelen"][:3] = rings.receive.messages["namelen"][:3]
    assert not rings.send.send(receiver.fileno(), 3).any()
    assert [sender.recv(64) for _ in range(3)] == [
        bytes([100 + number]) + bytes([number]) * (3 + number) for number in range(3)
    ]


def test_rings_apart_share_no_memory() -> None:
    rings = Rings.of(8, 32)
    assert not np.shares_memory(rings.send.payload, rings.receive.payload)
    assert rings.send.capacity == rings.receive.capacity == rings.timestamps.capacity == 8
