"""Flows over equal paths: eight between two hosts, one of which loses a packet in 27 (3.7 %)."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess

import numpy as np
import pytest
from patience import finish, give_up, wait_until

from probes.coverage import flows_for
from probes.engine.engine import Engine
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP
from probes.window import WindowBatch

pytestmark = pytest.mark.network
PATHS = 8
# The path that the first packet takes is the bad one: one that no flow takes would show nothing.
LOSE = """table inet t {
    set bad { type ifname; size 1; flags dynamic; }
    set ports { type inet_service; size 1000; flags dynamic; }
    counter lost { }
    chain c { type filter hook input priority 0;
        udp dport 862 add @bad { iifname }
        iifname @bad udp dport 862 add @ports { udp sport }
        iifname @bad udp dport 862 numgen inc mod 27 26 counter name lost drop
    }
}"""


def build_paths(hosts) -> None:
    """Add eight more links, and a route over all of them to 10.98.0.2."""
    for name, last in ((hosts.a, "1"), (hosts.b, "2")):
        hosts.sh_in(name, "ip", "addr", "add", f"10.98.0.{last}/32", "dev", "lo")
    hops: list[str] = []
    for path in range(PATHS):
        hosts.sh_in(hosts.a, "ip", "link", "add", f"p{path}", "type", "veth", "peer", "name",
                    f"p{path}", "netns", hosts.b)  # fmt: skip
        for name, last in ((hosts.a, "1"), (hosts.b, "2")):
            hosts.sh_in(name, "ip", "addr", "add", f"10.97.{path}.{last}/24", "dev", f"p{path}")
            hosts.sh_in(name, "ip", "link", "set", f"p{path}", "up")
        hops += ["nexthop", "via", f"10.97.{path}.2", "dev", f"p{path}"]
    hosts.sh_in(hosts.a, "sysctl", "-q", "net.ipv4.fib_multipath_hash_policy=1")
    hosts.sh_in(hosts.a, "ip", "route", "add", "10.98.0.2", "src", "10.98.0.1", *hops)
    hosts.sh_in(hosts.b, "ip", "route", "add", "10.98.0.1", "via", "10.99.0.1")
    hosts.sh_in(hosts.b, "nft", "-f", "-", stdin=LOSE)


def listed(hosts, kind: str, name: str) -> dict:
    said = subprocess.run(
        ["ip", "netns", "exec", hosts.b, "nft", "-j", "list", kind, "inet", "t", name],
        check=True,
        capture_output=True,
    ).stdout
    return next(entry[kind] for entry in json.loads(said)["nftables"] if kind in entry)


def test_one_bad_path_in_eight_shows_as_one_bad_group_of_flows(two_hosts) -> None:
    build_paths(two_hosts)
    flows, each = flows_for(PATHS), 40
    with two_hosts.inside(two_hosts.b):
        place = ReflectorSpec(address="10.98.0.2", port=862, peers=("10.98.0.1",))
        reflector = Reflector([place], own_clock_bound_ns=lambda: 500.0)
        reflector.start()
    windows: list[WindowBatch] = []
    with two_hosts.inside(two_hosts.a):
        kind = TypeP(protocol="udp", ip_version=4, port=862)
        stream = StreamSpec(stream_id=1, destination="10.98.0.2", source="10.98.0.1", type_p=kind,
                            interval_ms=0.5, timeout_ms=30_000.0, flows=flows)  # fmt: skip
        engine = Engine([stream], window_ns=500_000_000, on_windows=windows.append,
                        probes_per_stream=flows * each)  # fmt: skip
        engine.start()
        port_of_flow = [flow.mark for flow in engine.flow_marks()[stream]]
        wait_until(
            lambda: (
                engine.health().probes_received + listed(two_hosts, "counter", "lost")["packets"]
                == flows * each
            )
        )
        give_up(engine)
        finish(engine)
    reflector.stop()
    sent, lost = np.zeros(flows, int), np.zeros(flows, int)
    for batch in windows:
        np.add.at(sent, batch.flows.flow, batch.flows.sent)
        np.add.at(lost, batch.flows.flow, batch.flows.lost)
    assert (sent == each).all()
    bad = np.isin(port_of_flow, listed(two_hosts, "set", "ports")["elem"])
    assert 0 < bad.sum() < flows / 2
    assert lost[~bad].sum() == 0
    assert lost[bad].sum() == listed(two_hosts, "counter", "lost")["packets"]
    assert 0.02 < lost[bad].sum() / sent[bad].sum() < 0.04
    assert lost.sum() / sent.sum() < 0.02  # the total hides it
    assert sum(int(batch.counters["lost_forward"].sum()) for batch in windows) >= lost.sum() - 4


@pytest.mark.parametrize("protocol", ["udp", "icmp", "tcp"])
def test_each_flow_keeps_an_ipv6_flow_label_of_its_own(two_hosts, protocol: str) -> None:
    next_header = {"udp": 17, "icmp": 58, "tcp": 6}[protocol]
    with two_hosts.inside(two_hosts.b):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        wire.bind(("v", 0x86DD))
    kind = TypeP(protocol=protocol, ip_version=6, port=None if protocol == "icmp" else 862)
    stream = StreamSpec(stream_id=1, destination="fd99::2", type_p=kind, flows=4,
                        interval_ms=2.0, timeout_ms=50.0)  # fmt: skip
    with wire, two_hosts.inside(two_hosts.a):
        engine = Engine([stream], window_ns=100_000_000, on_windows=lambda batch: None,
                        probes_per_stream=40)  # fmt: skip
        engine.start()
        wait_until(lambda: engine.health().probes_sent == 40)
        give_up(engine)
        finish(engine)
        labels: dict[bytes, list[int]] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = wire.recv(2048)[14:]
                payload = packet[40:]
                if packet[6] != next_header or packet[23] != 1:
                    continue  # not from us
                flow = payload[4:6] if protocol == "icmp" else payload[:2]
                if protocol != "icmp" or payload[0] == 128:  # no neighbour discovery
                    labels.setdefault(flow, []).append(int.from_bytes(packet[1:4]) & 0xFFFFF)
    ours = {flow: seen for flow, seen in labels.items() if len(seen) >= 10}
    assert len(ours) == 4
    assert all(len(set(seen[:10])) == 1 for seen in ours.values())
    assert len({seen[0] for seen in ours.values()}) == 4
    assert 0 not in {seen[0] for seen in ours.values()}
