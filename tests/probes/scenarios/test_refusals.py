"""Packets that are refused on their way, at home or by the far end: each loss has its cause."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from patience import finish, give_up, wait_until
from without_rights import PING_GROUPS, as_nobody, measured

from probes import explanations
from probes.causes import Cause, errno_of
from probes.stream import StreamSpec

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("needs_raw_sockets")]


def run_to_end(*specs: StreamSpec, probes: int = 10, icmp_errors: int = 0) -> Run:
    """Send so many probes of each stream, of which `icmp_errors` are refused by others: what is
    refused at home ends by itself."""
    run = Run(*specs, probes=probes)
    run.engine.start()
    if icmp_errors:
        wait_until(lambda: sum(run.engine.health().icmp_errors.values()) == icmp_errors)
    finish(run.engine, answered=probes * len(specs) - icmp_errors if icmp_errors else None)
    return run


def causes(run: Run, stream_id: int) -> set[int]:
    """Return the errnos that were told of a stream's probes."""
    mine = run.column("cause")[run.column("stream_id") == stream_id]
    return set(errno_of(mine).tolist())


def told(run: Run, stream_id: int) -> set[Cause]:
    """Return what was told of a stream's probes."""
    mine = run.column("cause")[run.column("stream_id") == stream_id]
    return {run.engine.cause(code) for code in mine.tolist()}


# A Linux router tells an IPv4 sender of at most five dead routes at once; IPv6 has no such limit.
@pytest.mark.parametrize(("far", "probes"), [("10.99.0.2", 1), ("fd99::2", 10)])
def test_a_router_that_knows_no_way_gives_every_lost_probe_its_cause(
    two_hosts, far: str, probes: int
) -> None:
    v6 = ":" in far
    beyond, everything = ("2001:db8::9", "2001:db8::/32") if v6 else ("192.0.2.9", "192.0.2.0/24")
    family = ["ip", "-6"] if v6 else ["ip", "-4"]
    two_hosts.sh_in(two_hosts.a, *family, "route", "add", everything, "via", far)
    two_hosts.sh_in(two_hosts.b, "sysctl", "-q", "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0",
                    "net.ipv6.icmp.ratelimit=0")  # fmt: skip
    two_hosts.sh_in(two_hosts.b, *family, "route", "add", "unreachable", everything)
    with two_hosts.inside(two_hosts.a):
        run = run_to_end(
            spec("icmp", beyond, stream_id=1), spec("udp", beyond, stream_id=2, port=862),
            spec("tcp", beyond, stream_id=3, port=80), spec("icmp", far, stream_id=4),
            probes=probes, icmp_errors=3 * probes,
        )  # fmt: skip
    for stream_id in (1, 2, 3):
        assert run.total("lost_forward", stream_id) == probes
        assert run.total("not_sent", stream_id) == 0
        assert causes(run, stream_id) == {errno.ENETUNREACH if v6 else errno.EHOSTUNREACH}
    assert run.total("received", 4) == probes
    name = "ENETUNREACH" if v6 else "EHOSTUNREACH"
    assert run.engine.health().icmp_errors == {name: 3 * probes}
    assert run.engine.health().local_drops == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_where_nobody_listens_eats_no_other_probe(host: str, small_reflector) -> None:
    reflector = small_reflector(host=host)
    closed = 9  # nobody's, and below what the kernel gives to whoever asks for any port
    run = run_to_end(
        *(
            spec("udp", host, stream_id=number, port=port)
            for number, port in ((1, reflector.port), (2, closed))
        ),
        probes=40,
        icmp_errors=40,
    )
    assert (run.total("received", 1), run.total("not_sent", 1)) == (40, 0)
    assert (run.total("sent", 2), run.total("lost_unknown", 2)) == (40, 40)
    assert causes(run, 2) == {errno.ECONNREFUSED}
    assert run.engine.health().local_drops == {}


@pytest.mark.parametrize("rights", ["root", "nobody"])
@pytest.mark.parametrize(
    ("far", "reject", "kind"),
    [
        ("10.99.0.2", "icmp admin-prohibited", (3, 13)),
        ("10.99.0.2", "icmp net-prohibited", (3, 9)),
        ("10.99.0.2", "icmp host-unreachable", (3, 1)),
        ("10.99.0.2", "icmp prot-unreachable", (3, 2)),
        ("10.99.0.2", "icmp port-unreachable", (3, 3)),
        ("fd99::2", "icmpv6 admin-prohibited", (1, 1)),
        ("fd99::2", "icmpv6 addr-unreachable", (1, 3)),
        ("fd99::2", "icmpv6 port-unreachable", (1, 4)),
        ("fd99::2", "icmpv6 policy-fail", (1, 5)),
    ],
)
def test_what_a_filter_says_is_told_of_every_protocols_probes(
    two_hosts, far: str, reject: str, kind: tuple[int, int], rights: str
) -> None:
    """Raw sockets hear it, and ping sockets and connect() without rights as well."""
    echo = "icmpv6 type echo-request" if ":" in far else "icmp type echo-request"
    rules = "; ".join(
        f"{what} reject with {reject}" for what in (echo, "udp dport 862", "tcp dport 80")
    )
    table = f"table inet t {{ chain c {{ type filter hook input priority 0; {rules}; }}; }}"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=table)
    limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    two_hosts.sh_in(two_hosts.b, "sysctl", "-q", *limits)
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", PING_GROUPS)
    streams = (
        spec("icmp", far, stream_id=0),
        spec("udp", far, stream_id=1, port=862),
        spec("tcp", far, stream_id=2, port=80),
    )
    measure = as_nobody if rights == "nobody" else measured
    with two_hosts.inside(two_hosts.a):
        found = measure(*streams, answered=0, icmp_errors=30)
    stream, codes = np.array(found["stream_id"]), np.array(found["cause"])
    assert [len(set(codes[stream == number])) for number in range(3)] == [1, 1, 1]
    assert found["said"]
    for said in found["said"]:
        cause = Cause(*said)
        assert (cause.icmp, cause.kind, cause.code) == (6 if ":" in far else 4, *kind)
        assert cause.said_by == far
        for protocol in ("icmp", "udp", "tcp"):
            remark = explanations.told(cause, protocol=protocol, destination=far, ours=False)
            assert remark is not None
            assert f"type {kind[0]} code {kind[1]}" in remark.text.en
            assert "the target itself ({addresses})" in remark.text.en.lower()


def test_a_routing_loop_is_told_by_the_router_where_it_ended(two_hosts) -> None:
    beyond = "192.0.2.0/24"
    for here, far in ((two_hosts.a, "10.99.0.2"), (two_hosts.b, "10.99.0.1")):
        two_hosts.sh_in(here, "ip", "route", "add", beyond, "via", far)
        two_hosts.sh_in(here, "sysctl", "-q", "net.ipv4.ip_forward=1",
                        "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.v.send_redirects=0",
                        "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.v.rp_filter=0",
                        "net.ipv4.conf.v.accept_local=1",
                        "net.ipv4.icmp_ratelimit=0")  # fmt: skip
    with two_hosts.inside(two_hosts.a):
        run = run_to_end(spec("udp", "192.0.2.9", port=862), probes=1, icmp_errors=1)
    (cause,) = told(run, 1)
    assert (cause.icmp, cause.kind, cause.code) == (4, 11, 0)
    assert cause.said_by in ("10.99.0.1", "10.99.0.2")
    assert run.total("lost_forward", 1) == 1


@pytest.mark.parametrize(
    ("protocol", "number", "port"), [("icmp", 1, None), ("udp", 17, 862), ("tcp", 6, 80)]
)
def test_a_quote_of_eight_octets_still_gives_a_cause(
    two_hosts, protocol: str, number: int, port: int | None
) -> None:
    """As of routers that keep to RFC 792: of UDP no number of the probe is in it."""
    rule = {"icmp": "icmp type echo-request", "udp": "udp dport 862", "tcp": "tcp dport 80"}
    hook = "type filter hook input priority 0"
    table = f"table inet t {{ chain c {{ {hook}; {rule[protocol]} drop; }}; }}"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=table)
    with two_hosts.inside(two_hosts.b):
        seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        teller = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def refuse() -> None:
        for _ in range(5):
            quote = bytes(28)
            while quote[9] != number or quote[16:20] != bytes((10, 99, 0, 2)):
                quote = seen.recv(2048)[:28]
            head = bytes((3, 13, 0, 0)) + bytes(4) + quote
            total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, len(head), 2))
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            packet = head[:2] + (0xFFFF - total).to_bytes(2, "big") + head[4:]
            teller.sendto(packet, ("10.99.0.1", 0))

    with seen, teller:
        seen.settimeout(60)
        thread = threading.Thread(target=refuse)
        thread.start()
        with two_hosts.inside(two_hosts.a):
            more = {} if port is None else {"port": port}
            run = run_to_end(spec(protocol, "10.99.0.2", **more), probes=5, icmp_errors=5)
        thread.join()
    assert told(run, 1) == {Cause(errno.EHOSTUNREACH, 4, 3, 13, "10.99.0.2")}


@pytest.mark.parametrize(
    ("rule", "name"),
    [("icmp type echo-request drop", "EPERM"), ("icmpv6 type echo-request drop", "EPERM")],
)
def test_what_our_own_firewall_drops_is_a_local_drop(two_hosts, rule: str, name: str) -> None:
    far = "fd99::2" if "v6" in rule else "10.99.0.2"
    table = f"table inet t {{ chain c {{ type filter hook output priority 0; {rule}; }}; }}"
    two_hosts.sh_in(two_hosts.a, "nft", "-f", "-", stdin=table)
    with two_hosts.inside(two_hosts.a):
        run = run_to_end(spec("icmp", far))
    assert (run.total("sent", 1), run.total("not_sent", 1)) == (0, 10)
    assert run.engine.health().local_drops == {name: 10}
    assert causes(run, 1) == {errno.EPERM}


def test_what_our_own_queue_drops_is_a_local_drop(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "tc", "qdisc", "add", "dev", "v", "root", "tbf",
                    "rate", "20kbit", "burst", "400", "limit", "400")  # fmt: skip
    with two_hosts.inside(two_hosts.a):
        run = run_to_end(spec("icmp", "10.99.0.2", interval_ms=1.0), probes=40)
    assert run.total("not_sent", 1) > 10
    assert run.total("received", 1) + run.total("not_sent", 1) == 40
    assert set(run.engine.health().local_drops) == {"ENOBUFS"}


def our_socket(port: int | None) -> socket.socket:
    """Return the UDP socket of this process that is bound to a port, under another descriptor."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            sock = socket.socket(fileno=os.dup(int(descriptor.name)))
            if sock.type == socket.SOCK_DGRAM and sock.getsockname()[1:2] == (port,):
                return sock
            sock.close()
    raise AssertionError(f"nobody of ours has port {port}")


def dropped_at(sock: socket.socket) -> int:
    """Return how many packets the kernel has dropped at a socket (SO_MEMINFO: sk_drops)."""
    return int(struct.unpack("=9I", sock.getsockopt(socket.SOL_SOCKET, 55, 36))[8])


def test_answers_that_found_no_room_here_are_no_network_loss(small_reflector) -> None:
    reflector = small_reflector(hold=lambda number: True)
    run = Run(spec("udp", port=reflector.port, interval_ms=1.0), probes=60)
    run.engine.start()
    ((flow,),) = run.engine.flow_marks().values()
    with our_socket(flow.mark) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        wait_until(lambda: len(reflector.held) == 60)
        reflector.release()  # all at once: more than the buffer holds
        wait_until(lambda: dropped_at(sock) + run.engine.health().probes_received == 60)
    give_up(run.engine)
    finish(run.engine)
    assert_every_probe_has_one_outcome(run)
    assert len(run.column("outcome")) == run.total("sent") == 60
    assert run.total("unread") == 60 - run.total("received") - run.total("late") > 0
    assert run.engine.health().unread == run.total("unread")
    assert run.total("lost_unknown") == run.total("lost_backward") == 0
