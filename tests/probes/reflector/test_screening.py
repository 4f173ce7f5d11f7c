"""Which of the requests that have arrived together are answered, and what the others count as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from asking import BOUND, KEY, request
from codec_packets import received
from reflector_parts import NOW_NS, OneListener

from probes.addresses import pack_address
from probes.reflector.screening import Batch
from probes.reflector.sessions import read_sources

Packet = tuple[bytes, str, int]  # octets, host and port


@pytest.fixture
def here() -> Iterator[OneListener]:
    made = OneListener(peers=("192.0.2.0/24", "2001:db8::/32"), per_s=100.0, stamp_keys=BOUND)
    yield made
    made.close()


def batch(here: OneListener, *packets: Packet, now_ns: int = NOW_NS) -> Batch:
    """Return packets as if they had arrived at a listener."""
    address = np.stack([pack_address(host, port) for _, host, port in packets])
    came = replace(received([octets for octets, _, _ in packets]), address=address)
    return Batch(here.listener, came, read_sources(address), now_ns)


def counted(here: OneListener) -> dict[str, int]:
    return {name: count for name, count in here.counts.items() if count}


def test_requests_of_peers_are_admitted_and_others_counted(here: OneListener) -> None:
    came = batch(
        here,
        (request(1), "192.0.2.1", 5),
        (request(1), "198.51.100.1", 5),  # a stranger
        (request(1)[:13], "192.0.2.1", 5),  # no request
        (request(1)[:14], "2001:db8::1", 5),  # as short as a TWAMP sender's
        (request(1), "192.0.2.1", 0),  # from where nothing comes
        (request(1)[:13], "198.51.100.1", 5),
    )
    assert here.screening.admitted(came).tolist() == [0, 3]
    assert counted(here) == {"malformed": 2, "refused": 2}


def test_packet_that_was_cut_is_no_request(here: OneListener) -> None:
    came = batch(here, (request(1), "192.0.2.1", 5), (request(2), "192.0.2.1", 5))
    came = replace(came, received=replace(came.received, truncated=np.array([True, False])))
    assert here.screening.admitted(came).tolist() == [1]
    assert counted(here) == {"malformed": 1}


def test_reflectors_of_ours_are_never_answered(here: OneListener) -> None:
    here.screening.own_port[862] = True
    came = batch(here, (request(1), "192.0.2.1", 862), (request(1), "192.0.2.1", 863))
    assert here.screening.admitted(came).tolist() == [1]


def test_where_everybody_may_ask_no_reply_is_longer_than_its_request() -> None:
    here = OneListener(peers=("0.0.0.0/0",))
    came = batch(
        here,
        (request(1)[:43], "192.0.2.1", 5),
        (request(1), "192.0.2.2", 5),
        (request(1)[:20], "192.0.2.3", 5),
    )
    assert here.screening.admitted(came).tolist() == [1]
    here.close()
    assert counted(here) == {"growing": 2}
    short = here.screening.short
    assert (short.count, short.length, short.needed, short.sender) == (2, 20, 44, "192.0.2.3")


def test_limits_are_of_what_is_answered_and_refusals_counted_by_whose_they_are() -> None:
    here = OneListener(peers=("0.0.0.0/0",), per_s=200.0, per_s_per_source=50.0)
    packets = [(request(n), "192.0.2.1", 5) for n in range(30)]
    packets += [(request(n), f"192.0.2.{n}", 5) for n in range(2, 42)]
    came = batch(here, *packets)
    granted = here.screening.within_limits(came, np.arange(len(packets)))
    here.close()
    assert len(granted) == 20  # a tenth of a second at once
    assert np.count_nonzero(granted < 30) == 5
    assert counted(here) == {"limited_by_source": 25, "limited": 25}
    nothing = np.zeros(0, np.intp)
    assert here.screening.within_limits(came, nothing) is nothing


def test_genuine_requests_are_limited_apart_from_others(here: OneListener) -> None:
    packets = [(request(n), "192.0.2.1", 5) for n in range(50)]
    came = batch(here, *packets)
    assert len(here.screening.within_limits(came, np.arange(50))) == 10
    granted = here.screening.grant_authenticated(came.sources, came.now_ns)
    assert np.count_nonzero(granted) == 10
    assert counted(here) == {"limited": 80}


def test_what_is_too_short_for_a_digest_is_forged(here: OneListener) -> None:
    came = batch(here, (request(1, key=KEY), "192.0.2.1", 5), (request(1), "192.0.2.1", 5))
    assert here.screening.worth_verifying(came, np.arange(2)).tolist() == [0]
    assert counted(here) == {"forged": 1}


def test_beyond_what_can_be_verified_expected_numbers_come_first(here: OneListener) -> None:
    """A digest takes microseconds, so forgers could keep us from the true ones."""
    table = here.reflection.sessions
    true = [(request(n, key=KEY, ssid=7), "192.0.2.9", 5) for n in (11, 12, 500_000)]
    known = batch(here, true[0])
    slot = table.slots(known.sources, np.array([7], np.uint16), here.listener.number, NOW_NS)
    table.rows["replay_highest"][slot] = 10
    forged = [(request(n, key=bytes(32)), "192.0.2.1", 6) for n in range(3_000)]
    came = batch(here, *forged, *true)
    looked_at = here.screening.worth_verifying(came, np.arange(len(came.received))).tolist()
    assert {3_000, 3_001} <= set(looked_at)
    assert 3_002 not in looked_at  # far ahead of its session
    assert here.counts["limited"] == len(came.received) - len(looked_at) > 0
