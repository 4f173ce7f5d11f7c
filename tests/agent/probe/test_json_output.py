"""What `isochrone probe` reports about flows, hops, rates and causes: in JSON, and beside
the table.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.probe.figures import commonest
from probes import explanations
from probes.channels.discarded import DISCARDED
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stamp.nonconforming import NONCONFORMITIES
from probes.window import NOT_SENT

PATIENCE_S = 120  # a hang, not slowness
needs_raw_sockets = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root for raw sockets: run `sudo make test`"
)
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"


def probe(*arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-P", "-m", "isochrone", "probe", *arguments],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env=os.environ | {"ISOCHRONE_LANG": "en"},
    )  # fmt: skip


def documents(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def seen(kind: int, protocol: int, read: Callable[[bytes], int | None]) -> Iterator[Counter[int]]:
    """Count what a raw socket on loopback sees, by what `read` makes of each packet."""
    found: Counter[int] = Counter()
    stop, done = socket.socketpair()
    with socket.socket(kind, socket.SOCK_RAW, protocol) as raw, stop, done:

        def listen() -> None:
            while True:
                ready, _, _ = select.select([raw, done], [], [])
                if done in ready:
                    return
                number = read(raw.recv(2048))
                if number is not None:
                    found[number] += 1

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield found
        finally:
            stop.send(b"x")
            thread.join()


@pytest.mark.network
@needs_raw_sockets
def test_every_icmp_flow_is_told_by_the_identifier_on_the_wire() -> None:
    def identifier(packet: bytes) -> int | None:
        ours = packet[20] == 8 and packet[16:20] == bytes((127, 7, 7, 7))
        return int.from_bytes(packet[24:26], "big") if ours else None

    arguments = ("icmp", "127.7.7.7", "--count", "12", "--interval", "5ms", "--flows", "4")
    with seen(socket.AF_INET, socket.IPPROTO_ICMP, identifier) as found:
        (answer,) = documents(probe(*arguments, "--timeout", "30s", "--json"))
    assert [flow["flow"] for flow in answer["flows"]] == [0, 1, 2, 3]
    assert {flow["identifier"]: flow["sent"] for flow in answer["flows"]} == found
    assert [flow["received"] for flow in answer["flows"]] == [3, 3, 3, 3]
    assert sum(flow["lost"] for flow in answer["flows"]) == answer["lost"] == 0
    for flow in answer["flows"]:
        assert list(flow["rtt_ns"]) == ["min", "p50", "p95", "max", "mean"]
        assert flow["rtt_ns"]["min"] <= flow["rtt_ns"]["p50"] <= flow["rtt_ns"]["p95"]
    assert min(flow["rtt_ns"]["min"] for flow in answer["flows"]) == answer["rtt_ns"]["min"]
    assert (answer["address"], answer["ttl"], answer["hops"]["backward"]) == ("127.7.7.7", 64, 0)


@pytest.mark.network
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_udp_flows_are_told_by_their_source_ports_and_a_lossy_one_stands_out(host: str) -> None:
    ports: Counter[int] = Counter()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.bind((host, 0))

        def answer_all_but_the_first_port() -> None:
            first = None
            for _ in range(12):
                request, place = far.recvfrom(2048)
                ports[place[1]] += 1
                first = first or place[1]
                if place[1] != first:
                    far.sendto(_reply(request), place)

        thread = threading.Thread(target=answer_all_but_the_first_port)
        thread.start()
        arguments = ("--port", str(far.getsockname()[1]), "--count", "12", "--interval", "5ms")
        done = probe("udp", host, *arguments, "--flows", "3", "--timeout", "2s", "--json")
        thread.join()
    (answer,) = documents(done)
    assert {flow["source_port"]: flow["sent"] for flow in answer["flows"]} == ports
    assert [flow["loss_ratio"] for flow in answer["flows"]] == [1.0, 0.0, 0.0]
    assert answer["loss_ratio"] == pytest.approx(1 / 3, abs=1e-9)
    assert answer["hops"]["forward"] == 5
    assert [flow["hops"]["forward"] for flow in answer["flows"]] == [None, 5, 5]
    labels = {flow["flow_label"] for flow in answer["flows"]}
    assert len(labels) == 3 if ":" in host else labels == {None}


def _reply(request: bytes) -> bytes:
    """Return what a stateless reflector answers (RFC 8762 §4.3.1), with a TTL of arrival of 250."""
    return (
        request[:14] + bytes(2) + request[4:12] + request[:14] + bytes(2) + bytes((250, 0, 0, 0))
    ).ljust(len(request), b"\0")


@pytest.mark.network
def test_the_table_of_flows_has_ports_where_flows_are_several() -> None:
    arguments = ("tcp", "127.0.0.1", "--port", "9", "--interval", "5ms", "--timeout", "30s")
    one, two = (probe(*arguments, "--count", "4", *more) for more in ((), ("--flows", "2")))
    assert "source port" not in one.stdout
    assert re.search(r"target +flow +source port +sent +recv +loss +TTL +min +p50 +p95", two.stdout)
    assert len(re.findall(r"\n127\.0\.0\.1 +[01] +\d+ +2 +2 +0\.0% +64 ", two.stdout)) == 2


@pytest.mark.network
def test_dscp_and_ecn_are_told_of_both_ends() -> None:
    place = ReflectorSpec(address="127.0.0.1", port=0, peers=("127.0.0.1",))
    reflector = Reflector([place], own_clock_bound_ns=lambda: 1000.0)
    reflector.start()
    try:
        port = str(reflector.addresses()[0][1])
        arguments = ("--port", port, "--count", "3", "--interval", "5ms", "--timeout", "30s")
        (answer,) = documents(probe("udp", "127.0.0.1", *arguments, "--dscp", "46", "--json"))
    finally:
        reflector.stop()
    assert (answer["dscp"]["sent"], answer["dscp"]["forward"]) == (46, 46)
    assert (answer["dscp"]["ecn_forward"], answer["dscp"]["ecn_backward"]) == (0, 0)


@pytest.mark.network
@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", (4, 3, 3)), ("::1", (6, 1, 4))])
def test_a_port_unreachable_says_type_code_and_sender(
    host: str, said: tuple[int, int, int]
) -> None:
    done = probe("udp", host, "--port", "9", "--count", "1", "--timeout", "200ms", "--json")
    (answer,) = documents(done)
    (remark,) = answer["remarks"]
    assert remark["code"] == "nothing_listens"
    version, kind, code = said
    assert remark["icmp"] == {"version": version, "type": kind, "code": code, "from": host}
    named = f"ICMP{'v6' if version == 6 else ''} type {kind} code {code}: port unreachable"
    assert f"{named}, from the target itself ({host})" in remark["text"]
    assert done.stderr == f"isochrone: {remark['text']}\n"


def test_what_was_not_probed_says_why_as_code_and_text() -> None:
    (answer,) = documents(probe("icmp", "nowhere.invalid", "--count", "1", "--json"))
    assert [remark["code"] for remark in answer["remarks"]] == ["target_not_resolved"]
    assert answer["remarks"][0]["text"] == answer["error"]
    assert (answer["address"], answer["ttl"], answer["flows"]) == (None, None, [])


@pytest.mark.network
@needs_raw_sockets
def test_a_rate_that_this_machine_cannot_keep_is_told(tmp_path: Path) -> None:
    targets = [f"127.9.{high}.{low}" for high in range(8) for low in range(1, 251)]
    path = tmp_path / "targets"
    path.write_text("\n".join(targets), encoding="ascii")
    arguments = ("icmp", "--file", str(path), "--interval", "0.1ms", "--count", "10")
    done = probe(*arguments, "--timeout", "30s", "--json")
    answers = documents(done)
    assert done.returncode == 1
    told = re.search(r"requested 20,000,000 probes per second; at least (\d+)% was", done.stderr)
    assert told is not None, done.stderr
    assert all(answer["asked"] == answer["sent"] == 10 for answer in answers)
    assert all(answer["asked_rate"] == 10_000 for answer in answers)
    ratios = [answer["kept_ratio"] for answer in answers]
    assert max(ratios) < 0.95
    assert answers[0]["sent_rate"] == pytest.approx(10_000 * ratios[0], rel=1e-3)
    kept = sum(answer["sent"] for answer in answers) / sum(10 / ratio for ratio in ratios)
    assert int(told[1]) <= 100 * kept + 0.01
    assert {remark["code"] for answer in answers for remark in answer["remarks"]} == {
        "rate_not_kept"
    }


def test_the_commonest_of_nothing_is_nothing() -> None:
    group, value = np.array([0, 0, 0, 2]), np.array([63, 64, 64, 0])
    assert commonest(group, value, 3).tolist() == [64, 0, 0]


def test_every_code_of_a_remark_is_in_the_reference() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[3] / "agent" / "probe").glob("*.py")
    )
    codes = set(re.findall(r'Remark\(\s*"(\w+)"', source))
    codes |= set(re.findall(r'_refused\(name, "(\w+)"', source))
    codes |= set(explanations.CODES)
    codes |= {f"not_sent_{cause}" for cause in NOT_SENT if cause != "skipped"}
    codes |= {f"discarded_{reason}" for reason in DISCARDED if reason != "too_late"}
    codes |= {f"odd_{kind}" for kind in NONCONFORMITIES}
    listed = re.findall(r"`(\w+)`", REFERENCE.read_text(encoding="utf-8").split("### Remarks")[1])
    assert len(codes) > 40
    assert codes - set(listed) == set()
