"""Batch sockets on loopback: timestamps by key, icmp_errors by packet, control messages by kind."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from probes.addresses import pack_address
from probes.sockets import error_queue
from probes.sockets.batch import BatchSocket
from probes.sockets.error_queue import KERNEL_TIMESTAMP

HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.fixture(params=[True, False], ids=["keys chosen", "keys counted"])
def keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(error_queue, "_kernel_takes_keys", lambda: False)
    return request.param


@pytest.fixture(params=HOSTS, ids=["IPv4", "IPv6"])
def pair(request: pytest.FixtureRequest, keys: bool) -> Iterator[tuple[BatchSocket, BatchSocket]]:
    family, host = request.param
    ends = []
    for _ in range(2):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        ends.append(BatchSocket(sock, 16, 64))
    ring = ends[0].rings.send
    ring.address[:] = pack_address(host, ends[1].sock.getsockname()[1])
    ring.length[:] = 44
    ends[0].send(1)  # the first packets may come before timestamping is in force
    ends[0].error_queue.read()
    ends[1].receive()
    yield ends[0], ends[1]
    for end in ends:
        end.close()


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


def test_a_refused_packet_is_named_and_stops_no_other(pair) -> None:
    sender, receiver = pair
    good = sender.rings.send.address[0].copy()
    sender.rings.send.address[[3, 9], 2:4] = 0  # port 0 cannot be sent to
    for _ in range(3):
        sent = sender.send(12)
        assert np.flatnonzero(sent.error).tolist() == [3, 9]
        assert set(sent.error[[3, 9]]) == {errno.EINVAL}
        timestamped = np.concatenate([sender.error_queue.read().key for _ in range(2)])
        assert timestamped.tolist() == sent.key[sent.error == 0].tolist()
        assert len(receiver.receive()) == 10
    sender.rings.send.address[:] = good
    assert sender.send(4).key.tolist() == sender.error_queue.read().key.tolist()


def test_nothing_waiting_is_an_empty_batch(pair) -> None:
    sender, receiver = pair
    assert len(receiver.receive()) == len(sender.error_queue.read()) == 0


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=["IPv4", "IPv6"])
def test_only_the_departures_asked_for_are_timestamped(family: int, host: str, keys: bool) -> None:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sender = BatchSocket(sock, 16, 64, timestamps_on_request=True)
    sender.rings.send.address[:] = pack_address(host, sock.getsockname()[1])
    sender.rings.send.length[:] = 44
    timestamped = np.arange(16) % 5 == 2
    for _ in range(2):
        sent = sender.send(16, timestamped=timestamped)
        timestamps = sender.error_queue.read()
        assert timestamps.key.tolist() == sent.key[timestamped].tolist()
    sender.close()
