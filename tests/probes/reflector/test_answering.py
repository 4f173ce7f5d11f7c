"""Who is not answered on loopback: strangers, reflectors, floods and what would grow."""

import contextlib
import time

import numpy as np
import pytest
from asking import Sender, free_port, reflector, request, spec

from probes.reflector.spec import ReflectorSpec

pytestmark = pytest.mark.network


def test_strangers_are_refused():
    with reflector(spec(peers=("127.0.0.1",))) as running:
        to = running.addresses()[0]
        with Sender(to) as friend, Sender(to, host="127.0.0.9") as stranger:
            stranger.sock.sendto(request(1), to)
            friend.probe(2)
            stranger.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                stranger.sock.recv(100)
    counters = running.counters()
    assert (counters.refused, counters.reflected) == (1, 1)


def test_no_peers_let_nobody_in():
    with reflector(spec(peers=())) as running, Sender(running.addresses()[0]) as sender:
        sender.sock.sendto(request(), sender.to)
        running.update([spec(port=sender.to[1])])
        assert sender.probe(3).sender_sequence in (0, 3)


def test_two_reflectors_never_answer_each_other():
    with reflector(spec(), spec()) as running:
        one, other = running.addresses()
        with Sender(one) as sender:
            sender.probe()
        # As an attacker would: a request to one that seems to come from the other.
        held = next(
            item for item in running._listeners.values() if item.port == other[1]
        ).socket.sock
        held.sendto(request(), one)
        with Sender(one) as sender:
            sender.probe()
    counters = running.counters()
    assert (counters.refused, counters.reflected) == (1, 2)


def test_garbage_stays_within_the_rate_limit_and_the_memory():
    rate_per_s = 20.0
    generator = np.random.default_rng(862)
    garbage = [generator.bytes(int(length)) for length in generator.integers(0, 1500, 4_000)]
    with reflector(max_packets_per_s=rate_per_s) as running:
        to = running.addresses()[0]
        running._reflection.sessions.limit = 300
        began = time.monotonic()
        with Sender(to) as sender:
            for octets in garbage:
                sender.sock.sendto(octets, to)
        with Sender(to) as last:
            last.sock.settimeout(0.05)
            while time.monotonic() < began + 60:  # until there is room for one more
                with contextlib.suppress(TimeoutError):
                    last.probe(1)
                    break
        lasted_s = time.monotonic() - began
    counters = running.counters()
    assert counters.limited > 0
    assert counters.reflected <= rate_per_s * (lasted_s + 0.1) + 1
    assert counters.sessions <= 300


def test_open_reflector_sends_nothing_longer_than_it_was_asked():
    everybody = ReflectorSpec(
        address="127.0.0.1", port=free_port("127.0.0.1"), peers=("0.0.0.0/0",)
    )
    with reflector(everybody) as running, Sender(running.addresses()[0]) as sender:
        assert sender.is_not_answered(request(1)[:43], then=request(2))
        assert len(sender.exchange(request(3))) == 44
        counters = running.counters()
    assert (counters.growing, counters.reflected) == (1, 2)


def test_loud_source_is_limited_and_takes_nothing_from_others():
    limits = {"max_packets_per_s": 1000.0, "max_packets_per_s_per_source": 0.1}
    with reflector(spec(), **limits) as running:
        to = running.addresses()[0]
        with Sender(to) as loud, Sender(to, host="127.0.0.2") as quiet:
            for number in range(50):
                loud.sock.sendto(request(number), to)
            assert quiet.probe(1).sequence == 0
        counters = running.counters()
    assert counters.limited_by_source >= 40
    assert counters.received == counters.reflected + counters.limited_by_source
    assert counters.limited == 0
