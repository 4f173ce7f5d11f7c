"""Batch sockets on loopback: timestamps by key, icmp_errors by packet, control messages by kind."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from patience import wait_until

from probes.addresses import pack_address
from probes.sockets.batch import BatchSocket
from probes.sockets.error_queue import KERNEL_TIMESTAMP


def test_every_packet_is_timestamped_both_ways_under_its_key(pair) -> None:
    sender, receiver = pair
    for number in range(16):
        sender.rings.send.payload[number, 0] = number
    sent = sender.send(16)
    timestamps, received = sender.error_queue.read(), receiver.receive()
    assert not sent.error.any()
    assert timestamps.key.tolist() == sent.key.tolist()
    assert received.payload[:, 0].tolist() == list(range(16))
    assert (received.timestamp_kind == KERNEL_TIMESTAMP).all()
    assert (received.timestamp_ns >= timestamps.timestamp_ns).all()
    assert (timestamps.timestamp_ns >= sent.before_ns).all()
    assert (received.ttl == 64).all()


def test_nothing_waiting_is_an_empty_batch(pair) -> None:
    sender, receiver = pair
    assert len(receiver.receive()) == len(sender.error_queue.read()) == 0


@pytest.fixture
def listener() -> Iterator[tuple[BatchSocket, BatchSocket]]:
    """Two sockets on loopback; the second has next to no room for what arrives."""
    with contextlib.ExitStack() as stack:
        ends = []
        for _ in range(2):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            ends.append(BatchSocket(sock, 64, 64))
            stack.callback(ends[-1].close)
        ends[1].sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        ring = ends[0].rings.send
        ring.address[:] = pack_address("127.0.0.1", ends[1].sock.getsockname()[1])
        ring.length[:] = 44
        yield ends[0], ends[1]


def test_packets_a_full_buffer_has_no_room_for_are_counted(listener) -> None:
    sender, receiver = listener
    assert receiver.drops() == 0
    sender.send(60)
    came = 0

    def all_are_accounted_for() -> bool:
        nonlocal came
        came += len(receiver.receive())
        return receiver.drops() + came == 60

    wait_until(all_are_accounted_for)
    assert receiver.drops() > 0
