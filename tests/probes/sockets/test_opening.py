"""Probe sockets as they are opened: their source, DSCP, TTL, and no fragments."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from foundation.errors import IsochroneError, ResourceError
from probes.sockets.opening import (
    OpenSocket,
    is_ours,
    lease_flow_label,
    local_address,
    open_udp,
    prepare,
)

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_TCLASS, PMTUDISC_PROBE = 10, 23, 67, 3
IP_RECVTTL = 12
FAMILIES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.fixture(params=FAMILIES, ids=["IPv4", "IPv6"])
def family_and_host(request: pytest.FixtureRequest) -> tuple[int, str]:
    family, host = request.param
    return int(family), str(host)


def test_udp_socket_sends_from_its_source_with_dscp_and_ttl(
    family_and_host: tuple[int, str],
) -> None:
    family, host = family_and_host
    opened = open_udp(family, host, dscp=46, ttl=255)
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.bind((host, 0))
        far.settimeout(60)
        if family == socket.AF_INET:
            far.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            far.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        else:
            far.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
            far.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        opened.sock.sendto(b"x", far.getsockname())
        _, messages, _, address = far.recvmsg(64, 256)
    opened.close()
    assert address[:2] == (host, opened.mark)
    said = {kind: data[0] for _, kind, data in messages}
    if family == socket.AF_INET:
        assert (said[socket.IP_TOS], said[socket.IP_TTL]) == (46 << 2, 255)
    else:
        assert (said[socket.IPV6_TCLASS], said[socket.IPV6_HOPLIMIT]) == (46 << 2, 255)


def test_no_probe_is_cut_into_fragments(family_and_host: tuple[int, str]) -> None:
    """What is too large for the way is an error, and no other packet than was measured."""
    family, host = family_and_host
    opened = open_udp(family, host, dscp=0)
    level, option = (
        (socket.IPPROTO_IP, IP_MTU_DISCOVER)
        if family == socket.AF_INET
        else (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER)
    )
    assert opened.sock.getsockopt(level, option) == PMTUDISC_PROBE
    opened.close()


def test_socket_without_a_source_has_a_port_all_the_same() -> None:
    opened = open_udp(socket.AF_INET, None, dscp=0)
    assert opened.sock.getsockname() == ("0.0.0.0", opened.mark)
    assert opened.mark > 0
    opened.close()


@pytest.mark.parametrize("source", ["192.0.2.77", "2001:db8::77"])
def test_source_that_is_not_ours_is_told_and_nothing_stays_open(source: str) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with pytest.raises(ResourceError) as caught:
        open_udp(family, source, dscp=0)
    assert f"{source} is not an address of this machine now" in caught.value.text.en
    assert not is_ours(source)


def test_source_of_the_other_family_is_told() -> None:
    with pytest.raises(IsochroneError, match=r"127\.0\.0\.1"):
        open_udp(socket.AF_INET6, "127.0.0.1", dscp=0)
    with pytest.raises(OSError, match="Invalid argument") as caught:
        local_address(socket.AF_INET6, "127.0.0.1")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_ours(host: str) -> None:
    assert is_ours(host)


def test_what_is_bound_is_an_address_of_ours_or_any() -> None:
    assert local_address(socket.AF_INET, None) == ("0.0.0.0", 0)
    assert local_address(socket.AF_INET6, None, 7)[:2] == ("::", 7)
    assert local_address(socket.AF_INET6, "::1", 7)[:2] == ("::1", 7)


def test_closing_gives_back_what_guards_the_mark() -> None:
    guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    guard.bind(("127.0.0.1", 0))
    port = guard.getsockname()[1]
    OpenSocket(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), port, guard=guard).close()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as next_one:
        next_one.bind(("127.0.0.1", port))


def test_flow_label_that_is_granted_is_what_sends_with_it() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        assert lease_flow_label(sock, 0x12345) == struct.pack("!I", 0x12345)


def test_flow_label_that_is_not_granted_stays_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # IPv4 has none
        assert lease_flow_label(sock, 0x12345) == bytes(4)


def test_dscp_stands_above_ecn(family_and_host: tuple[int, str]) -> None:
    family, host = family_and_host
    level, option = (
        (socket.IPPROTO_IP, socket.IP_TOS)
        if family == socket.AF_INET
        else (socket.IPPROTO_IPV6, IPV6_TCLASS)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        prepare(sock, family, host, 63)
        assert sock.getsockopt(level, option) == 63 << 2
        assert sock.getsockname()[0] == host
