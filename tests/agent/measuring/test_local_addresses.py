"""An agent behind 1:1 NAT: plans name what peers see, and it binds what it has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import pytest

from agent.config import AgentConfig, config_of
from agent.doctor.machine_checks import check_local_addresses
from agent.measuring.local_addresses import LocalAddresses
from foundation.errors import ConfigError
from messages.exchange import Plan
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP

PATIENCE_S = 120  # a hang, not slowness
PUBLIC, LOCAL, FAR = "203.0.113.5", "10.95.0.5", "198.51.100.2"


class Family(NamedTuple):
    """The addresses of one IP version: of the agent outside and inside, of its peer, of routers."""

    version: Literal[4, 6]
    public: str
    local: str
    far: str
    near_gateway: str
    far_gateway: str
    length: int
    table: str

    def rules(self) -> str:
        """Return what the router translates, for nft."""
        return f"""table {self.table} nat {{
 chain pre {{ type nat hook prerouting priority -100;
  {self.table} daddr {self.public} dnat to {self.local}; }}
 chain post {{ type nat hook postrouting priority 100;
  {self.table} saddr {self.local} snat to {self.public}; }}
}}"""


V4 = Family(4, PUBLIC, LOCAL, FAR, "10.95.0.1", "198.51.100.1", 24, "ip")
V6 = Family(
    *(6, "2001:db8:5::5", "fd95::5", "2001:db8:2::2", "fd95::1", "2001:db8:2::1", 64, "ip6")
)
FORWARDING = {4: "net.ipv4.ip_forward=1", 6: "net.ipv6.conf.all.forwarding=1"}
DAD: dict[int, tuple[str, ...]] = {4: (), 6: ("nodad",)}
AGENT = """
import asyncio, sys
from pathlib import Path
import msgspec
from agent.measuring.unanswered_journal import UnansweredJournal
from agent.conditions import Conditions
from agent.measuring.measuring import Measuring
from agent.policy.policy import Policy, PolicyConfig
from agent.spool.sent_counters import SentCounters
from foundation.clock import SystemClock
from messages.exchange import Plan

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
        on_windows=take, clock=clock, own_clock_bound_ns=lambda: 0.0, timestamp_shift_ns=0,
        conditions=Conditions(), policy=Policy(PolicyConfig(destinations=("0.0.0.0/0", "::/0"))),
        sent_counters=SentCounters(directory / "sent"), settle=settled,
        journal=UnansweredJournal(None, clock),
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


def stream(number: int, protocol: str, port: int | None, family: Family) -> StreamSpec:
    kind = TypeP(protocol=protocol, ip_version=family.version, port=port, payload_bytes=64)
    return StreamSpec(
        stream_id=number,
        source=family.public,
        destination=family.far,
        type_p=kind,
        interval_ms=20.0,
    )


def plan(family: Family = V4, **more: object) -> Plan:
    kinds = (("icmp", None), ("udp", 862), ("tcp", 9))
    streams = tuple(stream(i, *kind, family) for i, kind in enumerate(kinds, start=1))
    reflectors = (ReflectorSpec(address=family.public, port=862, peers=(family.far,)),)
    return Plan(version=1, agent="a", window_ms=200, streams=streams, reflectors=reflectors, **more)


@pytest.fixture(params=[V4, V6], ids=["ipv4", "ipv6"])
def nat(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Family]]:
    """Two hosts, and between them a router that translates one address to one."""
    family: Family = request.param
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
            ("near0", near, family.local, family.near_gateway),
            ("far0", far, family.far, family.far_gateway),
        ):
            sh("ip", "-n", host, "link", "add", link, "type", "veth", "peer", "name", link,
               "netns", router)  # fmt: skip
            for name, address in ((host, own), (router, gateway)):
                whole = f"{address}/{family.length}"
                sh("ip", "-n", name, "addr", "add", whole, "dev", link, *DAD[family.version])
                sh("ip", "-n", name, "link", "set", link, "up")
            sh("ip", "-n", host, f"-{family.version}", "route", "add", "default", "via", gateway)
        inside(router, "sysctl", "-qw", FORWARDING[family.version])
        inside(router, "nft", "-f", "-", stdin=family.rules())
        inside(near, "ping", "-q", "-c", "1", "-i", "0.05", "-w", "60", family.far)
        yield near, far, family
    finally:
        for name in (near, router, far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.network
def test_an_agent_behind_nat_probes_and_answers_by_its_public_address(
    nat: tuple[str, str, Family], tmp_path: Path
) -> None:
    near, far, family = nat
    python = [sys.executable, "-P"]
    command = ["ip", "netns", "exec", far, *python, "-m", "isochrone"]
    content = msgspec.json.encode(plan(family, local={family.public: family.local})).decode()
    words = ["ip", "netns", "exec", near, *python, "-c", AGENT, content, str(tmp_path)]
    place = f"[{family.far}]:862" if family.version == 6 else f"{family.far}:862"
    reflect = [*command, "reflect", "--listen", place, "--peer", family.public]
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
                        [*command, *f"probe udp {family.public} --count 3 --interval 5ms".split()],
                        capture_output=True, check=False, timeout=PATIENCE_S,
                    )  # fmt: skip
                    assert asked.returncode == 0, asked.stderr
                    agent.stdin.write("\n")
                    agent.stdin.flush()
                    assert agent.stdout.readline() == f"{family.public}\n"
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


def config(**local: str) -> AgentConfig:
    document = {"name": "a", "controller": "unix:/run/c", "state_dir": "/x"}
    return config_of(document | {"local_addresses": local}, Path("agent.toml"))


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({PUBLIC: "010.0.0.1"}, "may mean"),
        ({PUBLIC: "fd00::1"}, "not an IPv4 address"),
        ({"here": LOCAL}, "not an IP address"),
        ({PUBLIC: LOCAL, "203.0.113.6": LOCAL}, "is given for two addresses"),
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
