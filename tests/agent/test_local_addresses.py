"""An agent behind 1:1 NAT: plans name what peers see, and it binds what it has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import config_of
from agent.doctor import check_local_addresses
from agent.local_addresses import LocalAddresses
from probes.errors import ConfigError
from probes.exchange import Plan, ReflectorSpec
from probes.stream import StreamSpec, TypeP

PATIENCE_S = 120  # a hang, not slowness
PUBLIC, LOCAL, FAR = "203.0.113.5", "10.95.0.5", "198.51.100.2"
NAT = f"""table ip nat {{
 chain pre {{ type nat hook prerouting priority -100; ip daddr {PUBLIC} dnat to {LOCAL}; }}
 chain post {{ type nat hook postrouting priority 100; ip saddr {LOCAL} snat to {PUBLIC}; }}
}}"""
AGENT = """
import asyncio, sys
from pathlib import Path
import msgspec
from agent.answering import AnswerJournal
from agent.conditions import Conditions
from agent.measuring import Measuring
from agent.policy import Policy, PolicyConfig
from agent.sent_book import SentBook
from probes.clock import SystemClock
from probes.exchange import Plan

async def run(plan, directory):
    received, clock = asyncio.Event(), SystemClock()
    loop, windows = asyncio.get_running_loop(), {}

    def take(batch, version):
        for number, got in zip(batch.stream_id.tolist(), batch.counters["received"].tolist()):
            windows[number] = windows.get(number, 0) + got
        if sum(bool(got) for got in windows.values()) == len(plan.streams):
            loop.call_soon_threadsafe(received.set)

    async def settled():
        return None

    measuring = Measuring(
        on_windows=take, clock=clock, own_clock_bound_ns=lambda: 0.0, stamp_shift_ns=0,
        conditions=Conditions(), policy=Policy(PolicyConfig(destinations=("0.0.0.0/0",))),
        book=SentBook(directory / "book"), settle=settled,
        journal=AnswerJournal(None, clock),
    )
    await measuring.apply(plan, None)
    await asyncio.wait_for(received.wait(), 100)
    unanswered = measuring.curtailed().unanswered
    print("ready", len(unanswered), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await measuring.stop()
    print(*(one.address for one in measuring.curtailed().unanswered), flush=True)

asyncio.run(run(msgspec.json.decode(sys.argv[1], type=Plan), Path(sys.argv[2])))
"""


def stream(number: int, protocol: str, port: int | None) -> StreamSpec:
    kind = TypeP(protocol=protocol, ip_version=4, port=port, payload_bytes=64)
    return StreamSpec(
        stream_id=number, source=PUBLIC, destination=FAR, type_p=kind, interval_ms=20.0
    )


def plan(**more: object) -> Plan:
    streams = (stream(1, "icmp", None), stream(2, "udp", 862), stream(3, "tcp", 9))
    reflectors = (ReflectorSpec(address=PUBLIC, port=862, peers=(FAR,)),)
    return Plan(version=1, agent="a", window_ms=200, streams=streams, reflectors=reflectors, **more)


@pytest.fixture
def nat() -> Iterator[tuple[str, str]]:
    """Two hosts, and between them a router that translates one address to one."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces: run `sudo make test`")
    near, router, far = (f"isoN{letter}{os.getpid()}" for letter in "abc")

    def sh(*words: str, stdin: str | None = None) -> None:
        subprocess.run(words, check=True, capture_output=True, text=True, input=stdin)

    def inside(name: str, *words: str, stdin: str | None = None) -> None:
        sh("ip", "netns", "exec", name, *words, stdin=stdin)

    try:
        for name in (near, router, far):
            sh("ip", "netns", "add", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        for link, host, own, gateway in (
            ("near0", near, f"{LOCAL}/24", "10.95.0.1"),
            ("far0", far, f"{FAR}/24", "198.51.100.1"),
        ):
            sh("ip", "-n", host, "link", "add", link, "type", "veth", "peer", "name", link,
               "netns", router)  # fmt: skip
            for name, address in ((host, own), (router, f"{gateway}/24")):
                sh("ip", "-n", name, "addr", "add", address, "dev", link)
                sh("ip", "-n", name, "link", "set", link, "up")
            sh("ip", "-n", host, "route", "add", "default", "via", gateway)
        inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        inside(router, "nft", "-f", "-", stdin=NAT)
        inside(near, "ping", "-q", "-c", "1", "-i", "0.05", "-w", "60", FAR)
        yield near, far
    finally:
        for name in (near, router, far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.network
def test_an_agent_behind_nat_probes_and_answers_by_its_public_address(
    nat: tuple[str, str], tmp_path: Path
) -> None:
    import msgspec

    near, far = nat
    python = [sys.executable, "-P"]
    command = ["ip", "netns", "exec", far, *python, "-m", "isochrone"]
    content = msgspec.json.encode(plan(local={PUBLIC: LOCAL})).decode()
    words = ["ip", "netns", "exec", near, *python, "-c", AGENT, content, str(tmp_path)]
    reflect = [*command, "reflect", "--listen", f"{FAR}:862", "--peer", PUBLIC]
    with subprocess.Popen(reflect, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as reflector:
        assert reflector.stderr is not None
        reflector.stderr.readline()  # it answers now
        try:
            with subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as agent:
                assert agent.stdout is not None
                assert agent.stdin is not None
                try:
                    # All three protocols are answered, and whom it answers is as the plan has it.
                    assert agent.stdout.readline() == "ready 0\n"
                    asked = subprocess.run(
                        [*command, "probe", "udp", PUBLIC, "--count", "3", "--interval", "5ms"],
                        capture_output=True, check=False, timeout=PATIENCE_S,
                    )  # fmt: skip
                    assert asked.returncode == 0, asked.stderr
                    agent.stdin.write("\n")
                    agent.stdin.flush()
                    assert agent.stdout.readline() == f"{PUBLIC}\n"
                finally:
                    agent.kill()
        finally:
            reflector.terminate()
            reflector.wait(PATIENCE_S)


def test_the_owners_word_counts_more_than_the_plans() -> None:
    local = LocalAddresses({PUBLIC: "10.0.0.9"}, plan(local={PUBLIC: LOCAL}))
    assert {spec.source for spec in local.streams(plan().streams)} == {"10.0.0.9"}
    assert [spec.address for spec in local.reflectors(plan().reflectors)] == ["10.0.0.9"]
    assert LocalAddresses({}, plan()).of(PUBLIC) == PUBLIC


def config(**local: str):
    document = {"name": "a", "controller": "unix:/run/c", "state_dir": "/x"}
    return config_of(document | {"local_addresses": local}, Path("agent.toml"))


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({PUBLIC: "010.0.0.1"}, "may mean"),
        ({PUBLIC: "fd00::1"}, "no IPv4 address"),
        ({"here": LOCAL}, "no IP address"),
        ({PUBLIC: LOCAL, "203.0.113.6": LOCAL}, "stands for two addresses"),
    ],
)
def test_pairs_that_are_none_are_refused(pairs: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(**pairs)


def test_the_doctor_tells_whether_what_is_bound_is_here() -> None:
    (good,) = check_local_addresses(config(**{PUBLIC: "127.0.0.1"}))
    (bad,) = check_local_addresses(config(**{PUBLIC: "192.0.2.99"}))
    assert (good.status, bad.status) == ("ok", "fail")
    assert "1:1 NAT" in bad.text.en
