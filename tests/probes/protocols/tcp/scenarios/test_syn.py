"""TCP probes on a veth pair: answers told apart, SYN-ACKs sent again, addresses that change."""

from __future__ import annotations

import contextlib
import socket
import threading

import numpy as np
import pytest
from engine_run import Run, spec
from patience import wait_until

from probes.protocols.tcp.limits import SYN_LIMIT_NS

pytestmark = pytest.mark.network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_open_closed_and_silent_tcp_ports_are_told_apart(
    needs_raw_sockets: None, two_hosts, host: str
) -> None:
    far = "10.99.0.2" if host == "127.0.0.1" else "fd99::2"
    drop = "table inet t { chain c { type filter hook input priority 0; tcp dport 99 drop; }; }"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=drop)
    with two_hosts.inside(two_hosts.b):
        server = socket.create_server(
            (far, 80), family=socket.AF_INET6 if ":" in far else socket.AF_INET
        )
    for name in (two_hosts.a, two_hosts.b):
        two_hosts.sh_in(name, "ip", "neigh", "flush", "dev", "v")
    with server, two_hosts.inside(two_hosts.a):
        streams = [spec("tcp", far, port=port, stream_id=port) for port in (80, 81, 99)]
        run = Run(*streams, probes=20).finish(answered=40)
    answer, stream = run.column("answer"), run.column("stream_id")
    # Over IPv6 the first SYNs wait for neighbour discovery and then arrive all at once: every
    # second one meets a half-open connection and is answered with RST.
    assert set(answer[stream == 80]) == {2}
    assert set(answer[stream == 81]) == {3}
    assert set(answer[stream == 99]) == {0}
    assert run.total("lost_unknown", 99) == 20


@pytest.mark.parametrize("far", ["10.99.0.2", "fd99::2"])
def test_a_syn_ack_sent_again_is_neither_a_delay_nor_a_duplicate(
    needs_raw_sockets: None, two_hosts, far: str
) -> None:
    syn_ack_bytes = 44 if far == "10.99.0.2" else 64
    lose = f"""table inet t {{
        chain out {{ type filter hook output priority 0; tcp flags rst drop; }}
        chain in {{ type filter hook input priority 0;
            tcp sport 82 quota until {syn_ack_bytes} bytes drop; }}
    }}"""  # no RST ends a half-open connection, and the first SYN-ACK of port 82 is lost
    two_hosts.sh_in(two_hosts.a, "nft", "-f", "-", stdin=lose)
    family = socket.AF_INET6 if ":" in far else socket.AF_INET
    with two_hosts.inside(two_hosts.b):
        servers = [socket.create_server((far, port), family=family) for port in (80, 82)]
    with contextlib.ExitStack() as stack, two_hosts.inside(two_hosts.a):
        for server in servers:
            stack.enter_context(server)
        streams = [spec("tcp", far, port=p, stream_id=p) for p in (80, 82)]
        run = Run(*streams, probes=1).finish()
    assert (run.total("received", 80), run.total("duplicate", 80)) == (1, 0)
    assert (run.total("received", 82), run.total("late", 82)) == (0, 1)
    assert np.nanmax(run.column("rtt_ns")[run.column("outcome") == 0]) < SYN_LIMIT_NS


@pytest.mark.parametrize("host", ["10.99.0.2", "fd99::2"])
def test_tcp_probes_follow_a_change_of_the_address_they_leave_from(
    needs_raw_sockets: None, two_hosts, host: str
) -> None:
    v6 = ":" in host
    prefix, other = ("fd99::/64", "fd99::3") if v6 else ("10.99.0.0/24", "10.99.0.3")
    route = ("ip", *(("-6",) if v6 else ()), "route")
    two_hosts.sh_in(two_hosts.a, "ip", "addr", "add", f"{other}/{128 if v6 else 32}",
                    "dev", "v", *(("nodad",) if v6 else ()))  # fmt: skip
    with two_hosts.inside(two_hosts.a):
        run = Run(spec("tcp", host, port=81), probes=None)
        run.engine.start()
        wait_until(lambda: run.engine.health().probes_received > 5)
        two_hosts.sh_in(two_hosts.a, *route, "replace", prefix, "dev", "v", "src", other,
                        *(("metric", "1") if v6 else ()))  # fmt: skip
        threading.Event().wait(0.2)  # the engine hears of it within 50 ms
        before = run.engine.health().probes_sent
        answered = run.engine.health().probes_received
        wait_until(lambda: run.engine.health().probes_sent > before + 20)
        wait_until(lambda: run.engine.health().probes_received >= answered + 20)
        run.engine.stop(wait_for_replies=False)
