"""What is done to packets, without packets on a wire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from foundation.errors import ConfigError
from lab.fleet.impairment import Impairment, Paths, PathTable, take_hops

LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:01")
ADDRESSES = ["10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"]


def test_ends_are_read_from_frames_of_both_versions() -> None:
    paths = Paths(ADDRESSES, PathTable.without_paths(4))

    def ends(packet: Ether) -> tuple[int, int] | None:
        path = paths.of(bytearray(bytes(packet)))
        return None if path is None else (path.source, path.destination)

    assert ends(LINK / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP()) == (0, 2)
    assert ends(LINK / IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6EchoRequest()) == (3, 1)
    assert ends(LINK / IP(src="10.0.0.1", dst="10.9.9.9") / ICMP()) is None
    assert ends(Ether(type=0x0806)) is None


def test_two_interfaces_with_one_address_are_refused() -> None:
    with pytest.raises(ConfigError):
        Paths(["10.0.0.1", "10.0.0.1"], PathTable.without_paths(2))


@settings(deadline=None)
@given(ttl=st.integers(0, 255), hops=st.integers(0, 60))
def test_hops_come_off_the_ttl_and_the_checksum_stays_right(ttl: int, hops: int) -> None:
    older = bytearray(bytes(LINK / IP(src="10.0.0.1", dst="10.0.0.2", ttl=ttl) / ICMP()))
    newer = bytearray(bytes(LINK / IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=ttl)))
    take_hops(older, hops)
    take_hops(newer, hops)
    after, after6 = Ether(bytes(older)), Ether(bytes(newer))
    expected = max(ttl - hops, min(ttl, 1))
    assert after[IP].ttl == after6[IPv6].hlim == expected
    stated = after[IP].chksum
    del after[IP].chksum
    # 0x0000 and 0xffff are the same number in one's complement.
    assert stated % 0xFFFF == Ether(bytes(after))[IP].chksum % 0xFFFF


def test_the_same_seed_draws_the_same_outcomes() -> None:
    table = PathTable.without_paths(2)
    table.delay_ns[:] = 1e6
    table.jitter_ns[:] = 1e5
    table.loss_ratio[:] = 0.2
    path = Paths(["10.0.0.1", "10.0.0.2"], table).of(
        bytearray(bytes(LINK / IP(src="10.0.0.1", dst="10.0.0.2")))
    )
    assert path is not None
    one, two = (
        [drawn.treat(path) for _ in range(1000)] for drawn in (Impairment(5), Impairment(5))
    )
    assert one == two
    assert 140 < sum(treatment.lost for treatment in one) < 260
    delay_ns = np.array([treatment.delay_ns for treatment in one])
    assert (delay_ns >= 1_000_000).all()
    assert 1_080_000 < delay_ns.mean() < 1_120_000
