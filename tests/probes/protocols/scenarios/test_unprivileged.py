"""Probing without rights: ping sockets, connect(), and what is said where neither is possible."""

from __future__ import annotations

import codecs
import errno
import json
import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest
from patience import finish, wait_until

from probes import explanations
from probes.causes import Cause
from probes.engine.engine import Engine, SampleBatch
from probes.protocols.icmp.opening import open_icmp
from probes.sockets.identifiers import Identifiers
from probes.stream import StreamSpec, TypeP

pytestmark = pytest.mark.network
NOBODY = 65_534
# Nobody may not be able to read the libraries: what is imported late is imported now.
GENERATOR = np.random.default_rng(1)
"localhost".encode("idna")
codecs.lookup("ascii")


def measured(
    *streams: tuple[str, str, int | None], answered: int, refused: int = 0
) -> dict[str, object]:
    """Run an engine over (protocol, destination, port) and tell what came of it."""
    samples: list[SampleBatch] = []
    specs = [
        StreamSpec(
            stream_id=number,
            destination=destination,
            interval_ms=10.0,
            timeout_ms=30_000.0,
            type_p=TypeP(protocol=protocol, ip_version=6 if ":" in destination else 4, port=port),
        )
        for number, (protocol, destination, port) in enumerate(streams)
    ]
    engine = Engine(
        specs,
        window_ns=100_000_000,
        on_windows=lambda batch: None,
        on_samples=samples.append,
        probes_per_stream=10,
    )
    engine.start()
    wait_until(lambda: sum(engine.health().icmp_errors.values()) >= refused)
    finish(engine, answered=answered)
    of = {
        name: [] for name in ("stream_id", "outcome", "answer", "timestamping", "rtt_ns", "cause")
    }
    for batch in samples:
        for name, column in of.items():
            column += np.nan_to_num(getattr(batch, name), nan=-1.0).tolist()
    conditions = [why.en for why in engine.health().refused.values()]
    said = [astuple(engine.cause(code)) for code in sorted({*of["cause"]} - {0})]
    return of | {"conditions": conditions, "said": said}


def as_nobody(
    *streams: tuple[str, str, int | None], answered: int, refused: int = 0
) -> dict[str, object]:
    """Do it in a child that has given up all rights."""
    return without_rights(lambda: measured(*streams, answered=answered, refused=refused))


def without_rights(work: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Return what `work` tells in a child that has given up all rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(100)  # a child that hangs is not waited for
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(told)


def test_ping_sockets_serve_whoever_may_not_open_raw_ones(two_hosts) -> None:
    group_range = "net.ipv4.ping_group_range=0 2147483647"
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "-w", group_range)
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(("icmp", "10.99.0.2", None), ("icmp", "fd99::2", None), answered=20)
    assert told["conditions"] == []
    assert sorted(told["stream_id"]) == [0] * 10 + [1] * 10
    assert set(told["outcome"]) == {0}
    assert set(told["timestamping"]) == {2}
    assert min(told["rtt_ns"]) > 0


def side_by_side() -> dict[str, object]:
    """Run two engines of many flows whose generators draw the same numbers."""
    spec = StreamSpec(
        stream_id=1,
        destination="127.0.0.1",
        interval_ms=1.0,
        timeout_ms=30_000.0,
        flows=100,
        type_p=TypeP(protocol="icmp", ip_version=4),
    )
    engines = [
        Engine(
            [spec],
            window_ns=100_000_000,
            on_windows=lambda batch: None,
            probes_per_stream=500,
            generator=np.random.default_rng(1),
        )
        for _ in range(2)
    ]
    for engine in engines:
        engine.start()
    marks = [
        channel.codec._opened.mark
        for engine in engines
        for channel in engine._roster.channels.values()
    ]
    for engine in engines:
        finish(engine, answered=500)
    health = [engine.health() for engine in engines]
    return {"marks": marks, "received": [each.probes_received for each in health]}


def test_many_flows_of_many_engines_share_no_ping_identifier(two_hosts) -> None:
    group_range = "net.ipv4.ping_group_range=0 2147483647"
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "-w", group_range)
    with two_hosts.inside(two_hosts.a):
        told = without_rights(side_by_side)
    assert len(set(told["marks"])) == 200
    assert told["received"] == [500, 500]


def test_an_identifier_that_another_program_pings_with_is_passed_over(two_hosts) -> None:
    group_range = "net.ipv4.ping_group_range=0 2147483647"
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "-w", group_range)
    kind = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)

    def beside_another() -> dict[str, object]:
        wanted = Identifiers(np.random.default_rng(1)).lease()
        wanted.close()
        with socket.socket(*kind) as other:
            other.bind(("127.0.0.1", wanted.number))
            opened = open_icmp(socket.AF_INET, None, 0, Identifiers(np.random.default_rng(1)))
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
        told = as_nobody(("icmp", "10.99.0.2", None), answered=0)
    (sentence,) = told["conditions"]
    assert "setcap cap_net_raw+ep" in sentence
    assert "net.ipv4.ping_group_range" in sentence
    assert told["outcome"] == []


@pytest.mark.parametrize("far", ["10.99.0.2", "fd99::2"])
def test_a_filter_that_rejects_is_no_answer_of_a_closed_port(two_hosts, far: str) -> None:
    rule = "tcp dport 99 reject with icmpx port-unreachable"
    table = f"table inet t {{ chain c {{ type filter hook input priority 0; {rule}; }}; }}"
    two_hosts.sh_in(two_hosts.b, "nft", "-f", "-", stdin=table)
    limits = ("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    two_hosts.sh_in(two_hosts.b, "sysctl", "-q", *limits)
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(("tcp", far, 98), ("tcp", far, 99), answered=10, refused=10)
    stream, answer, causes = (np.array(told[name]) for name in ("stream_id", "answer", "cause"))
    assert set(answer[stream == 0]) == {3}
    assert set(answer[stream == 1]) == {0}
    kind = [1, 4] if ":" in far else [3, 3]
    assert told["said"] == [[errno.ECONNREFUSED, 6 if ":" in far else 4, *kind, far]]
    assert len(set(causes[stream == 1])) == 1


@pytest.mark.parametrize(
    ("far", "reject", "kind"),
    [
        ("10.99.0.2", "icmp admin-prohibited", (3, 13)),
        ("10.99.0.2", "icmp host-unreachable", (3, 1)),
        ("10.99.0.2", "icmp port-unreachable", (3, 3)),
        ("fd99::2", "icmpv6 admin-prohibited", (1, 1)),
        ("fd99::2", "icmpv6 addr-unreachable", (1, 3)),
        ("fd99::2", "icmpv6 port-unreachable", (1, 4)),
    ],
)
def test_what_a_filter_says_is_told_without_rights_too(
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
    two_hosts.sh_in(two_hosts.a, "sysctl", "-q", "net.ipv4.ping_group_range=0 2147483647")
    streams = (("icmp", far, None), ("udp", far, 862), ("tcp", far, 80))
    with two_hosts.inside(two_hosts.a):
        told = as_nobody(*streams, answered=0, refused=30)
    stream, causes = np.array(told["stream_id"]), np.array(told["cause"])
    assert [len(set(causes[stream == number])) for number in range(3)] == [1, 1, 1]
    for said in told["said"]:
        cause = Cause(*said)
        assert (cause.icmp, cause.kind, cause.code) == (6 if ":" in far else 4, *kind)
        assert cause.said_by == far
        for protocol in ("icmp", "udp", "tcp"):
            remark = explanations.told(cause, protocol=protocol, destination=far, ours=False)
            assert remark is not None
            assert f"type {kind[0]} code {kind[1]}" in remark.text.en
            assert "the target itself ({addresses})" in remark.text.en.lower()
