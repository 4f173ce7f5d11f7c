"""Packets that are refused on their way, at home or by the far end: each loss has its cause."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from patience import finish, give_up, wait_until

from probes.addresses import pack_address
from probes.causes import Cause, errno_of
from probes.engine.engine import Engine, SampleBatch
from probes.sockets.batch import BatchSocket
from probes.stream import StreamSpec, TypeP
from probes.window import WindowBatch

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("needs_raw_sockets")]


def spec(protocol: str, destination: str, stream_id: int = 1, **more: object) -> StreamSpec:
    kind = {name: more.pop(name) for name in ("port", "payload_bytes") if name in more}
    type_p = TypeP(protocol=protocol, ip_version=6 if ":" in destination else 4, **kind)
    settings = {"interval_ms": 5.0, "timeout_ms": 30_000.0} | more
    return StreamSpec(destination=destination, stream_id=stream_id, type_p=type_p, **settings)


class Run:
    def __init__(self, *specs: StreamSpec, probes: int = 10, refused: int = 0) -> None:
        self.windows: list[WindowBatch] = []
        self.samples: list[SampleBatch] = []
        self.engine = Engine(
            specs,
            window_ns=100_000_000,
            on_windows=self.windows.append,
            on_samples=self.samples.append,
            probes_per_stream=probes,
        )
        self.engine.start()
        if refused:  # by others: what is refused at home ends by itself
            answered = probes * len(specs) - refused
            wait_until(lambda: self.engine.health().probes_received == answered)
            wait_until(lambda: sum(self.engine.health().icmp_errors.values()) == refused)
            give_up(self.engine)
        finish(self.engine)

    def total(self, name: str, stream_id: int) -> int:
        return sum(
            int(
                (b.not_sent() if name == "not_sent" else b.counters[name])[
                    b.stream_id == stream_id
                ].sum()
            )
            for b in self.windows
        )

    def causes(self, stream_id: int) -> set[int]:
        return {
            cause
            for batch in self.samples
            for cause in errno_of(batch.cause[batch.stream_id == stream_id]).tolist()
        }

    def told(self, stream_id: int) -> set[Cause]:
        codes = [batch.cause[batch.stream_id == stream_id] for batch in self.samples]
        return {self.engine.cause(code) for code in np.concatenate(codes).tolist()}


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
        run = Run(
            spec("icmp", beyond, 1), spec("udp", beyond, 2, port=862),
            spec("tcp", beyond, 3, port=80), spec("icmp", far, 4), probes=probes,
            refused=3 * probes,
        )  # fmt: skip
    for stream_id in (1, 2, 3):
        assert run.total("lost_forward", stream_id) == probes
        assert run.total("not_sent", stream_id) == 0
        assert run.causes(stream_id) == {errno.ENETUNREACH if v6 else errno.EHOSTUNREACH}
    assert run.total("received", 4) == probes
    name = "ENETUNREACH" if v6 else "EHOSTUNREACH"
    assert run.engine.health().icmp_errors == {name: 3 * probes}
    assert run.engine.health().local_drops == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_where_nobody_listens_eats_no_other_probe(host: str, small_reflector) -> None:
    reflector = small_reflector(host=host)
    closed = 9  # nobody's, and below what the kernel gives to whoever asks for any port
    run = Run(
        *(
            spec("udp", host, number, port=port)
            for number, port in ((1, reflector.port), (2, closed))
        ),
        probes=40,
        refused=40,
    )
    assert (run.total("received", 1), run.total("not_sent", 1)) == (40, 0)
    assert (run.total("sent", 2), run.total("lost_unknown", 2)) == (40, 40)
    assert run.causes(2) == {errno.ECONNREFUSED}
    assert run.engine.health().local_drops == {}


@pytest.mark.parametrize(
    ("far", "reject", "kind"),
    [
        ("10.99.0.2", "icmp admin-prohibited", (3, 13)),
        ("10.99.0.2", "icmp net-prohibited", (3, 9)),
        ("10.99.0.2", "icmp host-unreachable", (3, 1)),
        ("10.99.0.2", "icmp prot-unreachable", (3, 2)),
        ("10.99.0.2", "icmp port-unreachable", (3, 3)),
        ("fd99::2", "icmpv6 admin-prohibited", (1, 1)),
        ("fd99::2", "icmpv6 policy-fail", (1, 5)),
    ],
)
def test_what_a_filter_says_reaches_every_protocols_probes(
    two_hosts, far: str, reject: str, kind: tuple[int, int]
) -> None:
    echo = "icmpv6 type echo-request" if ":" in far else "icmp type echo-request"
    rules = "; ".join(
        f"{what} reject with {reject}" for what in (echo, "udp dport 862", "tcp dport 80")
    )
    table = f"table inet t {{ chain c {{ type filter hook input priority 0; {rules}; }}; }}"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=table)
    limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    two_hosts.sh_in(two_hosts.b, "sysctl", "-q", *limits)
    with two_hosts.inside(two_hosts.a):
        run = Run(
            spec("icmp", far, 1), spec("udp", far, 2, port=862), spec("tcp", far, 3, port=80),
            probes=1, refused=3,
        )  # fmt: skip
    for stream_id in (1, 2, 3):
        (cause,) = run.told(stream_id)
        assert (cause.icmp, cause.kind, cause.code) == (6 if ":" in far else 4, *kind)
        assert cause.said_by == far


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
        run = Run(spec("udp", "192.0.2.9", port=862), probes=1, refused=1)
    (cause,) = run.told(1)
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
            run = Run(spec(protocol, "10.99.0.2", **more), probes=5, refused=5)
        thread.join()
    assert run.told(1) == {Cause(errno.EHOSTUNREACH, 4, 3, 13, "10.99.0.2")}


@pytest.mark.parametrize(
    ("rule", "name"),
    [("icmp type echo-request drop", "EPERM"), ("icmpv6 type echo-request drop", "EPERM")],
)
def test_what_our_own_firewall_drops_is_a_local_drop(two_hosts, rule: str, name: str) -> None:
    far = "fd99::2" if "v6" in rule else "10.99.0.2"
    table = f"table inet t {{ chain c {{ type filter hook output priority 0; {rule}; }}; }}"
    two_hosts.sh_in(two_hosts.a, "nft", "-f", "-", stdin=table)
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("icmp", far))
    assert (run.total("sent", 1), run.total("not_sent", 1)) == (0, 10)
    assert run.engine.health().local_drops == {name: 10}
    assert run.causes(1) == {errno.EPERM}


def test_what_our_own_queue_drops_is_a_local_drop(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "tc", "qdisc", "add", "dev", "v", "root", "tbf",
                    "rate", "20kbit", "burst", "400", "limit", "400")  # fmt: skip
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("icmp", "10.99.0.2", interval_ms=1.0), probes=40)
    assert run.total("not_sent", 1) > 10
    assert run.total("received", 1) + run.total("not_sent", 1) == 40
    assert set(run.engine.health().local_drops) == {"ENOBUFS"}


@pytest.fixture
def listener() -> Iterator[tuple[BatchSocket, BatchSocket]]:
    """Two sockets on loopback; the second has next to no room for what arrives."""
    with contextlib.ExitStack() as stack:
        ends = []
        for _ in range(2):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            ends.append(BatchSocket(sock, 64, 64))
            stack.callback(ends[-1].close)
        ends[1].sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        ring = ends[0].rings.send
        ring.address[:] = pack_address("127.0.0.1", ends[1].sock.getsockname()[1])
        ring.length[:] = 44
        yield ends[0], ends[1]


def test_packets_a_full_buffer_has_no_room_for_are_counted(listener) -> None:
    sender, receiver = listener
    assert receiver.drops() == 0
    sender.send(60)
    came = 0

    def all_are_accounted_for() -> bool:
        nonlocal came
        came += len(receiver.receive())
        return receiver.drops() + came == 60

    wait_until(all_are_accounted_for)
    assert receiver.drops() > 0


def test_answers_that_found_no_room_here_are_no_network_loss(small_reflector) -> None:
    reflector = small_reflector(hold=lambda number: True)
    samples: list[SampleBatch] = []
    windows: list[WindowBatch] = []
    engine = Engine(
        [spec("udp", "127.0.0.1", port=reflector.port, interval_ms=1.0)],
        window_ns=100_000_000,
        on_windows=windows.append,
        on_samples=samples.append,
        probes_per_stream=60,
    )
    engine.start()
    (channel,) = engine._roster.channels.values()
    channel.socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    wait_until(lambda: len(reflector.held) == 60)
    reflector.release()  # all at once: more than the buffer holds
    wait_until(lambda: channel.socket.drops() + engine.health().probes_received == 60)
    give_up(engine)
    finish(engine)
    outcomes = np.concatenate([batch.outcome for batch in samples])
    total = {
        name: sum(int(batch.counters[name].sum()) for batch in windows)
        for name in ("sent", "received", "late", "unread", "lost_unknown", "lost_backward")
    }
    assert len(outcomes) == total["sent"] == 60
    assert total["unread"] == 60 - total["received"] - total["late"] > 0
    assert engine.health().unread == total["unread"]
    assert total["lost_unknown"] == total["lost_backward"] == 0
