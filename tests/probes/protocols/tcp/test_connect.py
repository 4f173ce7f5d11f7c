"""TCP probes without rights: connect(), and the kernel's own measure of the handshake."""

from __future__ import annotations

import contextlib
import errno
import socket
import time

import numpy as np
import pytest
from engine_run import spec
from without_rights import as_nobody

from probes.protocols.tcp.connect import ConnectChannel
from probes.protocols.tcp.limits import SYN_LIMIT_NS
from probes.stream import StreamSpec

pytestmark = pytest.mark.network


def to_ports(far: str, *ports: int) -> list[StreamSpec]:
    """Streams 0, 1, … to so many ports."""
    return [
        spec("tcp", far, stream_id=number, port=port, interval_ms=10.0)
        for number, port in enumerate(ports)
    ]


@pytest.mark.parametrize("far", ["10.99.0.2", "fd99::2"])
def test_connect_tells_open_closed_and_silent_ports_apart(two_hosts, far: str) -> None:
    drop = "table inet t { chain c { type filter hook input priority 0; tcp dport 99 drop; }; }"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=drop)
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    with two_hosts.inside(two_hosts.b):
        server = socket.create_server((far, 80), family=family)
    with server, two_hosts.inside(two_hosts.a):
        told = as_nobody(*to_ports(far, 80, 81, 99), answered=20)
    stream, answer, outcome = (np.array(told[name]) for name in ("stream_id", "answer", "outcome"))
    timestamping, rtt_ns = np.array(told["timestamping"]), np.array(told["rtt_ns"])
    assert set(answer[stream == 1]) == {3}
    assert set(answer[stream == 2]) == {0}
    on_time = (stream == 0) & (outcome == 0)
    assert np.count_nonzero(on_time) == 10
    assert set(answer[on_time]) == {2}
    assert set(timestamping[on_time]) == {2}
    assert set(timestamping[(stream == 1) & (outcome == 0)]) == {1}
    assert ((rtt_ns[on_time] > 0) & (rtt_ns[on_time] < SYN_LIMIT_NS)).all()


def test_a_clock_that_is_stepped_gives_up_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = ConnectChannel(0, socket.AF_INET, None, 0)
    with socket.socket() as server, contextlib.closing(channel):
        server.bind(("127.0.0.1", 0))
        server.listen()
        channel._connect(server.getsockname(), (0, 1, time.time_ns()))
        stepped_ns = time.time_ns() + 7_200_000_000_000
        monkeypatch.setattr("probes.protocols.tcp.connect.time.time_ns", lambda: stepped_ns)
        (fd,) = channel._waiting
        channel.socket.epoll.unregister(fd)  # as if its answer had not come yet
        channel._forget_old()
        assert len(channel._waiting) == 1


@pytest.mark.parametrize("far", ["10.99.0.2", "fd99::2"])
def test_a_filter_that_rejects_is_no_answer_of_a_closed_port(two_hosts, far: str) -> None:
    rule = "tcp dport 99 reject with icmpx port-unreachable"
    table = f"table inet t {{ chain c {{ type filter hook input priority 0; {rule}; }}; }}"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=table)
    limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    two_hosts.sh_in(two_hosts.b, "sysctl", "-q", *limits)
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(*to_ports(far, 98, 99), answered=10, icmp_errors=10)
    stream, answer, causes = (np.array(told[name]) for name in ("stream_id", "answer", "cause"))
    assert set(answer[stream == 0]) == {3}
    assert set(answer[stream == 1]) == {0}
    kind = [1, 4] if ":" in far else [3, 3]
    assert told["said"] == [[errno.ECONNREFUSED, 6 if ":" in far else 4, *kind, far]]
    assert len(set(causes[stream == 1])) == 1
