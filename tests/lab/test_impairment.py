"""What is done to packets, without packets on a wire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from lab.impairment import AddressBook, Impairment, PathTable, take_hops
from probes.errors import ConfigError

LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:01")
ADDRESSES = ["10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"]


def frames_of(*packets: Ether) -> np.ndarray:
    frames = np.zeros((len(packets), 128), np.uint8)
    for i, packet in enumerate(packets):
        raw = bytes(packet)
        frames[i, : len(raw)] = np.frombuffer(raw, np.uint8)
    return frames


def test_ends_are_read_from_frames_of_both_versions() -> None:
    frames = frames_of(
        LINK / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
        LINK / IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6EchoRequest(),
        LINK / IP(src="10.0.0.1", dst="10.9.9.9") / ICMP(),
        Ether(type=0x0806),
    )
    source, destination = AddressBook(ADDRESSES).ends_of(frames)
    assert source.tolist() == [0, 3, 0, -1]
    assert destination.tolist() == [2, 1, -1, -1]


def test_two_interfaces_with_one_address_are_refused() -> None:
    with pytest.raises(ConfigError):
        AddressBook(["10.0.0.1", "10.0.0.1"])


@settings(deadline=None)
@given(ttl=st.integers(0, 255), hops=st.integers(0, 60))
def test_hops_come_off_the_ttl_and_the_checksum_stays_right(ttl: int, hops: int) -> None:
    frames = frames_of(
        LINK / IP(src="10.0.0.1", dst="10.0.0.2", ttl=ttl) / ICMP(),
        LINK / IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=ttl) / ICMPv6EchoRequest(),
    )
    take_hops(frames, np.array([hops, hops], np.uint8))
    after, after6 = Ether(bytes(frames[0, :42])), Ether(bytes(frames[1, :62]))
    expected = max(ttl - hops, min(ttl, 1))
    assert after[IP].ttl == after6[IPv6].hlim == expected
    stated = after[IP].chksum
    del after[IP].chksum
    # 0x0000 and 0xffff are the same number in one's complement.
    assert stated % 0xFFFF == Ether(bytes(after))[IP].chksum % 0xFFFF


def test_the_same_seed_draws_the_same_fates() -> None:
    table = PathTable.without_paths(2)
    table.delay_ns[:] = 1e6
    table.jitter_ns[:] = 1e5
    table.loss_ratio[:] = 0.2
    path = np.ones(1000, np.int64)
    one, two = (Impairment(table, 5).treat(path) for _ in range(2))
    assert (one.delay_ns == two.delay_ns).all()
    assert (one.lost == two.lost).all()
    assert 140 < one.lost.sum() < 260
    assert (one.delay_ns >= 1_000_000).all()
    assert 1_080_000 < one.delay_ns.mean() < 1_120_000
