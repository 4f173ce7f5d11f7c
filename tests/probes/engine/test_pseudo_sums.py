"""Sums of addresses for pseudo headers (RFC 9293 §3.1), from sources given or chosen by routes."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from probes.addresses import pack_address
from probes.engine.pseudo_sums import pseudo_sums


def packed(*hosts: str) -> np.ndarray:
    return np.stack([pack_address(host, 443) for host in hosts])


def plain_sum(*hosts: str) -> int:
    """Add the 16-bit words of some addresses."""
    octets = b"".join(
        socket.inet_pton(socket.AF_INET6 if ":" in h else socket.AF_INET, h) for h in hosts
    )
    return sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))


def folded(number: int) -> int:
    while number >> 16:
        number = (number & 0xFFFF) + (number >> 16)
    return number


@pytest.mark.parametrize(
    ("source", "hosts"),
    [
        ("192.0.2.7", ("198.51.100.1", "255.255.255.254")),
        ("2001:db8::7", ("2001:db8:ffff::1", "fe80::1")),
        ("192.0.2.7%lo", ("198.51.100.1",)),  # an interface beside an address changes no sum
    ],
)
def test_sum_is_of_both_ends_without_ports(source: str, hosts: tuple[str, ...]) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    sums = pseudo_sums(family, packed(*hosts), source)
    own = source.partition("%")[0]
    assert [folded(each) for each in sums.tolist()] == [
        folded(plain_sum(own, host)) for host in hosts
    ]


@pytest.mark.parametrize(
    ("hosts", "source"), [(("127.0.0.9", "127.1.2.3"), "127.0.0.1"), (("::1",), "::1")]
)
def test_without_a_source_it_is_the_one_that_routes_choose(
    hosts: tuple[str, ...], source: str
) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    found = pseudo_sums(family, packed(*hosts), None)
    assert found.tolist() == pseudo_sums(family, packed(*hosts), source).tolist()


def test_destination_without_a_route_counts_as_from_nowhere_and_disturbs_no_other() -> None:
    hosts = ("127.0.0.9", "0.0.0.0", "127.0.0.8")
    sums = pseudo_sums(socket.AF_INET, packed(*hosts), None)
    expected = pseudo_sums(socket.AF_INET, packed(hosts[0], hosts[2]), "127.0.0.1")
    assert sums[[0, 2]].tolist() == expected.tolist()
