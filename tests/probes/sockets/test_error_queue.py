"""Which packet left when, and which of them an ICMP error is about."""

from __future__ import annotations

import errno
import socket
import time

import numpy as np
import pytest
from patience import wait_until

from probes.addresses import pack_address, unpack_address
from probes.causes import Causes
from probes.sockets.batch import BatchSocket
from probes.sockets.error_queue import ErrorQueue, TxTimestamps
from probes.sockets.ring import Rings

HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


def test_a_packet_that_the_system_does_not_take_uses_up_nobodys_timestamp(pair) -> None:
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


def test_a_timestamp_is_that_of_its_packet_in_wall_time(pair) -> None:
    sender, _ = pair
    keys, moments = [], []
    for count in (1, 3, 2):
        begun_ns = time.time_ns()
        sent = sender.send(count)
        timestamps = sender.error_queue.read()
        assert timestamps.key.tolist() == sent.key.tolist()
        assert (begun_ns <= timestamps.timestamp_ns).all()
        assert (timestamps.timestamp_ns <= time.time_ns()).all()
        keys += sent.key.tolist()
        moments += timestamps.timestamp_ns.tolist()
    assert keys == list(range(keys[0], keys[0] + 6))  # they continue from batch to batch
    assert moments == sorted(moments)


def test_one_timestamp_is_read_as_among_many(pair) -> None:
    sender, _ = pair
    queue = sender.error_queue
    assert queue.read_one() is None
    sent = sender.send(2)
    one, other = queue.read_one(), queue.read_one()
    assert one is not None
    assert other is not None
    assert [one[0], other[0]] == sent.key.tolist()
    assert sent.before_ns <= one[1] <= other[1] <= time.time_ns()
    assert queue.read_one() is None


def test_a_timestamp_after_a_packet_that_was_not_taken_has_its_own_key(pair) -> None:
    sender, _ = pair
    good = sender.rings.send.address[0].copy()
    sender.rings.send.address[0, 2:4] = 0  # port 0 cannot be sent to
    assert sender.send(1).error.tolist() == [errno.EINVAL]
    sender.rings.send.address[0] = good
    sent = sender.send(1)
    assert sender.error_queue.read_one() is not None
    sent = sender.send(1)
    one = sender.error_queue.read_one()
    assert one is not None
    assert one[0] == int(sent.key[0])


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=["IPv4", "IPv6"])
def test_an_icmp_error_quotes_the_packet_and_says_who_said_it(family: int, host: str) -> None:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sender = BatchSocket(sock, 16, 64)
    sender.ask_for_icmp_errors()
    queue, ring = sender.error_queue, sender.rings.send
    ring.address[:] = pack_address(host, 9)  # nobody's: whoever asks for any port gets a higher one
    ring.length[:] = 20
    ring.payload[0, :20] = np.arange(20)
    sent = sender.send(1)
    timestamps: list[TxTimestamps] = []

    def heard() -> bool:
        timestamps.append(queue.read())
        found.extend(queue.take_icmp_errors())
        return bool(found)

    found = queue.take_icmp_errors()
    wait_until(heard)
    (errors,) = found
    assert errors.error.tolist() == [errno.ECONNREFUSED]
    assert unpack_address(errors.address[0].tobytes())[:2] == (host, 9)
    assert errors.payload[0, : errors.length[0]].tolist() == list(range(20))
    table = Causes()
    (code,) = table.codes(errors.error, errors.word, errors.offender)
    cause = table.of(int(code))
    assert (cause.icmp, cause.kind, cause.code) == ((4, 3, 3) if family == 2 else (6, 1, 4))
    assert cause.said_by == host
    # The timestamp of the packet came through the same queue, and was taken for no error.
    assert np.concatenate([one.key for one in timestamps]).tolist() == sent.key.tolist()
    assert queue.take_icmp_errors() == []  # told once
    sender.close()


def test_socket_without_timestamps_still_sends() -> None:
    """As on a system that refuses SO_TIMESTAMPING: user-space timestamps remain."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        queue = ErrorQueue(near, Rings.of(4, 64).timestamps, on_request=False)
        assert queue.next_keys(3, None).tolist() == [0, 1, 2]
        assert queue.next_key() == 3
        near.send(b"x")
        assert len(queue.read()) == 0
        assert queue.read_one() is None


def test_keys_without_a_timestamp_are_given_twice_where_the_kernel_counts(pair, keys: bool) -> None:
    sender, _ = pair
    wanted = np.array([True, False, False, True])
    queue = sender.error_queue
    first = queue.next_key() + 1
    given = (queue.next_keys(4, wanted) - np.uint32(first)).tolist()
    assert given == ([0, 1, 2, 3] if keys else [0, 0, 0, 1])
    assert queue.next_key() - first == (4 if keys else 2)
