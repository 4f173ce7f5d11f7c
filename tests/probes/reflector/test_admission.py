import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import ConfigError
from probes.addresses import pack_address
from probes.reflector.admission import PeerFilter, SourceLimit, TokenBucket
from probes.reflector.sessions import read_sources

S = 1_000_000_000


def sources(*addresses, port=5000):
    return read_sources(np.stack([pack_address(one, port) for one in addresses]))


def allows(prefixes, *addresses, port=5000):
    return PeerFilter(prefixes).allows(sources(*addresses, port=port)).tolist()


def test_no_prefix_lets_nobody_in():
    assert allows((), "192.0.2.1", "2001:db8::1") == [False, False]


def test_single_addresses_and_prefixes_of_both_families():
    prefixes = ("192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "10.1.2.3/8")
    inside = ("192.0.2.255", "198.51.100.7", "2001:db8:ffff::1", "10.255.0.1")
    outside = ("192.0.3.0", "198.51.100.8", "2001:db9::1", "11.0.0.1")
    assert allows(prefixes, *inside) == [True] * 4
    assert allows(prefixes, *outside) == [False] * 4


def test_everybody_of_one_family_is_nobody_of_the_other():
    assert allows(("::/0",), "192.0.2.1", "2001:db8::1") == [False, True]
    assert allows(("0.0.0.0/0",), "192.0.2.1", "2001:db8::1") == [True, False]


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
def test_addresses_that_nobody_sends_from_are_never_answered(address):
    assert allows(("0.0.0.0/0", "::/0"), address) == [False]


def test_source_port_zero_is_never_answered():
    assert allows(("0.0.0.0/0",), "192.0.2.1", port=0) == [False]


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(
    lambda one: one.version == 4 or one.ipv4_mapped is None
)


@given(st.lists(st.tuples(ADDRESSES, st.integers(0, 128))), ADDRESSES)
def test_the_filter_agrees_with_ipaddress(networks, address):
    prefixes = [f"{one}/{min(length, one.max_prefixlen)}" for one, length in networks]
    within = any(address in ipaddress.ip_network(prefix, strict=False) for prefix in prefixes)
    odd = (
        address.is_multicast
        or address.is_unspecified
        or (address.version == 4 and (int(address) >> 24 == 0 or int(address) >> 24 >= 224))
    )
    assert allows(prefixes, str(address)) == [within and not odd]


def test_what_is_no_prefix_is_named():
    with pytest.raises(ConfigError, match=r"'10\.0\.0\.0/33'"):
        PeerFilter(("10.0.0.0/33",))


def test_a_bucket_gives_its_burst_and_then_its_rate():
    bucket = TokenBucket(1000.0, burst=10.0)
    assert bucket.take(100, 0) == 10
    assert bucket.take(100, 5_000_000) == 5
    assert bucket.take(3, S) == 3
    assert bucket.take(100, S) == 7  # never more than the burst is saved up


def test_each_source_has_a_bucket_of_its_own():
    limit = SourceLimit(1000.0, burst=10.0)
    loud, quiet = ["192.0.2.1"] * 30, ["192.0.2.2"] * 3
    granted = limit.grants(sources(*loud, *quiet), S).tolist()
    assert granted == [True] * 10 + [False] * 20 + [True] * 3
    granted = limit.grants(sources(*loud, *quiet), S + 5_000_000).tolist()
    assert granted == [True] * 5 + [False] * 25 + [True] * 3
    assert limit.grants(sources(*loud), 60 * S).sum() == 10


def test_a_source_is_an_ipv4_address_or_an_ipv6_network():
    limit = SourceLimit(1.0, burst=1.0)
    asked = sources("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2")
    assert limit.grants(asked, S).tolist() == [True, False, True, True, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50_000_000)), min_size=1, max_size=60))
def test_no_source_gets_more_than_its_rate_and_burst(arrivals):
    limit, now_ns, passed = SourceLimit(100.0, burst=5.0), S, dict.fromkeys(range(4), 0)
    for who, gap_ns in arrivals:
        now_ns += gap_ns
        passed[who] += int(limit.grants(sources(f"192.0.2.{who + 1}"), now_ns)[0])
    assert max(passed.values()) <= 5 + (now_ns - S) * 1e-9 * 100.0 + 1e-6
