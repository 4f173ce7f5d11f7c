"""Sockets for ICMP echo: raw ones, ping sockets without rights, and what is said without either."""

from __future__ import annotations

import select
import socket

import numpy as np
import pytest
from engine_run import Run, spec
from patience import finish
from without_rights import PING_GROUPS, as_nobody, without_rights

from probes.addresses import socket_address
from probes.protocols.icmp.opening import open_icmp
from probes.sockets.identifiers import Identifiers

pytestmark = pytest.mark.network
HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


def identifiers() -> Identifiers:
    """All of these would draw the same."""
    return Identifiers(np.random.default_rng(1))


@pytest.mark.parametrize(("family", "host"), HOSTS, ids=["IPv4", "IPv6"])
def test_raw_socket_hears_echo_replies_to_its_own_identifier_alone(
    needs_raw_sockets: None, family: int, host: str
) -> None:
    one, other = (open_icmp(family, host, 0, identifiers()) for _ in range(2))
    assert one.mark != other.mark
    assert one.with_ip_header == (family == socket.AF_INET)
    kind = b"\x08" if family == socket.AF_INET else b"\x80"
    for number in range(3):
        echo = kind + bytes(3) + one.mark.to_bytes(2, "big") + number.to_bytes(2, "big")
        if family == socket.AF_INET:
            total = 0x0800 + one.mark + number
            checksum = 0xFFFF - (total % 0x10000 + total // 0x10000)
            echo = echo[:2] + checksum.to_bytes(2, "big") + echo[4:]
        one.sock.sendto(echo, socket_address(host))
    one.sock.settimeout(60)
    header = 20 if one.with_ip_header else 0
    heard = [one.sock.recv(2048)[header:] for _ in range(3)]
    assert {packet[0] for packet in heard} == {0 if family == socket.AF_INET else 129}
    assert [packet[7] for packet in heard] == [0, 1, 2]
    assert not select.select([one.sock, other.sock], [], [], 0)[0]  # neither requests nor others'
    for opened in (one, other):
        opened.close()


def test_identifier_is_given_back_with_its_socket(needs_raw_sockets: None) -> None:
    one = open_icmp(socket.AF_INET, None, 0, identifiers())
    one.close()
    again = open_icmp(socket.AF_INET, None, 0, identifiers())
    assert again.mark == one.mark
    again.close()


def test_ping_sockets_serve_whoever_may_not_open_raw_ones(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", PING_GROUPS)
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(
            spec("icmp", "10.99.0.2"), spec("icmp", "fd99::2", stream_id=2), answered=20
        )
    assert told["refused"] == []
    assert sorted(told["stream_id"]) == [1] * 10 + [2] * 10
    assert set(told["outcome"]) == {0}
    assert set(told["timestamping"]) == {2}
    assert min(told["rtt_ns"]) > 0


def side_by_side() -> dict[str, object]:
    """Run two engines of many flows whose generators draw the same numbers."""
    stream = spec("icmp", interval_ms=1.0, flows=100)
    runs = [Run(stream, probes=500, generator=np.random.default_rng(1)) for _ in range(2)]
    for run in runs:
        run.engine.start()
    marks = [flow.mark for run in runs for flow in run.engine.flow_marks()[stream]]
    for run in runs:
        finish(run.engine, answered=500)
    return {"marks": marks, "received": [run.engine.health().probes_received for run in runs]}


def test_many_flows_of_many_engines_share_no_ping_identifier(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", PING_GROUPS)
    with two_hosts.inside(two_hosts.a):
        told = without_rights(side_by_side)
    assert len(set(told["marks"])) == 200
    assert told["received"] == [500, 500]


def test_an_identifier_that_another_program_pings_with_is_passed_over(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", PING_GROUPS)
    kind = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)

    def beside_another() -> dict[str, object]:
        wanted = identifiers().lease()
        wanted.close()
        with socket.socket(*kind) as other:
            other.bind(("127.0.0.1", wanted.number))
            opened = open_icmp(socket.AF_INET, None, 0, identifiers())
            with opened.sock, socket.socket(*kind) as third:
                with pytest.raises(OSError, match="in use"):
                    third.bind(("127.0.0.1", opened.mark))
                return {"wanted": wanted.number, "got": opened.mark}

    with two_hosts.inside(two_hosts.a):
        told = without_rights(beside_another)
    assert told["got"] != told["wanted"]


def test_without_any_right_to_icmp_a_sentence_says_how_to_get_it(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0")
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(spec("icmp", "10.99.0.2"), answered=0)
    (sentence,) = told["refused"]
    assert "setcap cap_net_raw+ep" in sentence
    assert "net.ipv4.ping_group_range" in sentence
    assert told["outcome"] == []
