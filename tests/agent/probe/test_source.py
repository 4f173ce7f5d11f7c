"""--source and --interface: from where probes leave and where is answered, between real hosts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from agent.probe.source import ProbeSource, read_probe_source
from agent.probe.targets import resolve
from foundation.errors import UsageError

PATIENCE_S = 120  # a hang, not slowness
FAR = "10.96.9.9"  # of the far host, reached by either link


class Links:
    """Two hosts with two links between them, v (10.96.1.0/24) and w (10.96.2.0/24)."""

    def __init__(self) -> None:
        self.near, self.far = f"isoVa{os.getpid()}", f"isoVb{os.getpid()}"
        for name in (self.near, self.far):
            self.run("ip", "netns", "add", name)
        for number, link in enumerate("vw", 1):
            self.run("ip", "-n", self.near, "link", "add", link, "type", "veth", "peer", "name",
                     link, "netns", self.far)  # fmt: skip
            for name, last in ((self.near, "1"), (self.far, "2")):
                words = ["addr", "add", f"10.96.{number}.{last}/24", "dev", link]
                self.run("ip", "-n", name, *words)
                words = ["addr", "add", f"fd96:{number}::{last}/64", "dev", link, "nodad"]
                self.run("ip", "-n", name, *words)
                self.run("ip", "-n", name, "link", "set", link, "up")
                self.run("ip", "-n", name, "link", "set", "lo", "up")
        self.run("ip", "-n", self.far, "addr", "add", f"{FAR}/32", "dev", "lo")
        for number, link in enumerate("vw", 1):  # the first is preferred
            self.run("ip", "-n", self.near, "route", "add", FAR, "via", f"10.96.{number}.2", "dev",
                     link, "metric", str(number))  # fmt: skip
        for far in ("10.96.1.2", "10.96.2.2"):
            self.inside(self.near, "ping", "-q", "-c", "1", "-i", "0.05", "-w", "60", far)

    def run(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True)

    def inside(self, name: str, *words: str, stdin: str | None = None) -> None:
        subprocess.run(["ip", "netns", "exec", name, *words], check=True, capture_output=True,
                       text=True, input=stdin)  # fmt: skip

    def let_in(self, rule: str) -> None:
        """Have the far host drop all but what `rule` matches."""
        rules = "table inet t { chain c { type filter hook input priority 0; policy drop; "
        self.inside(self.far, "nft", "-f", "-", stdin=f"{rules}{rule} accept; }}; }}")

    def wait_until_answered(self, count: int) -> None:
        """Wait until the far host has answered so many echo requests over IPv6."""
        give_up_s = time.monotonic() + PATIENCE_S
        while self._answered() < count:
            assert time.monotonic() < give_up_s
            threading.Event().wait(0.02)

    def _answered(self) -> int:
        words = ["ip", "netns", "exec", self.far, "cat", "/proc/net/snmp6"]
        counters = subprocess.check_output(words, text=True).split()
        return int(counters[counters.index("Icmp6OutEchoReplies") + 1])

    def probe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        more = ("--count", "3", "--interval", "5ms", "--timeout", "2s")
        return subprocess.run(
            ["ip", "netns", "exec", self.near, sys.executable, "-P", "-m", "isochrone", "probe",
             *arguments, *more],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
            env=os.environ | {"ISOCHRONE_LANG": "en"},
        )  # fmt: skip

    def remove(self) -> None:
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def links() -> Iterator[Links]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces: run `sudo make test`")
    made = Links()
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.network
@pytest.mark.parametrize("protocol", [("icmp",), ("tcp", "--port", "9")])
def test_probes_leave_from_the_source_and_by_the_interface(
    links: Links, protocol: tuple[str, ...]
) -> None:
    links.let_in("iifname w ip saddr 10.96.2.1")
    assert links.probe(*protocol, FAR).returncode == 1  # the route leads by v
    by_interface = links.probe(*protocol, FAR, "--interface", "w")
    assert by_interface.returncode == 0, by_interface.stderr
    both = links.probe(*protocol, FAR, "--interface", "w", "--source", "10.96.2.1")
    assert both.returncode == 0, both.stderr


@pytest.mark.network
def test_a_source_alone_changes_no_route(links: Links) -> None:
    links.let_in("iifname v ip saddr 10.96.2.1")
    told = links.probe("icmp", FAR, "--source", "10.96.2.1")
    assert told.returncode == 0, told.stderr
    links.inside(links.far, "nft", "flush", "ruleset")
    six = links.probe("icmp", "fd96:2::2", "--interface", "w")
    assert six.returncode == 0, six.stderr


@pytest.mark.network
def test_an_address_that_goes_in_mid_run_leaves_the_field_to_no_link_local_one(
    links: Links,
) -> None:
    links.run("ip", "-n", links.far, "addr", "add", "fd96:9::9/128", "dev", "lo", "nodad")
    links.run("ip", "-n", links.near, "route", "add", "fd96:9::9", "via", "fd96:1::2", "dev", "v")
    words = [sys.executable, "-P", "-m", "isochrone", "probe", "icmp", "fd96:9::9", "--json"]
    with subprocess.Popen(
        ["ip", "netns", "exec", links.near, *words, "--count", "500", "--interval", "10ms"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"ISOCHRONE_LANG": "en"},
        text=True,
    ) as probe:
        links.wait_until_answered(20)
        links.run("ip", "-n", links.near, "addr", "del", "fd96:1::1/64", "dev", "v")
        output, told = probe.communicate(timeout=PATIENCE_S)
    answer = json.loads(output)
    assert probe.returncode == 1
    assert answer["lost"] < 25  # between its going and the engine's hearing of it
    assert answer["not_sent_causes"] == {"interface": answer["not_sent"]}
    assert answer["not_sent"] > 100
    assert "no source address: it was removed from its interface" in told


@pytest.mark.network
def test_an_interface_without_a_way_is_said_by_name(links: Links) -> None:
    links.run("ip", "-n", links.near, "link", "set", "w", "down")
    told = links.probe("icmp", FAR, "--interface", "w")
    assert told.returncode == 1
    assert f"No probe can be sent to {FAR} by w" in told.stderr


@pytest.mark.network
def test_a_reflector_answers_what_comes_by_its_interface_alone(links: Links) -> None:
    words = [sys.executable, "-P", "-m", "isochrone", "reflect", "--open", "--interface", "w"]
    with subprocess.Popen(
        ["ip", "netns", "exec", links.far, *words, "--listen", "0.0.0.0:8620"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as reflector:
        try:
            assert reflector.stderr is not None
            reflector.stderr.readline()  # it answers now
            way = ("udp", FAR, "--port", "8620")
            assert links.probe(*way).returncode == 1
            assert links.probe(*way, "--interface", "w").returncode == 0
        finally:
            reflector.terminate()
            reflector.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("source", "interface", "said"),
    [
        ("192.0.2.77", None, "is not an address of this machine"),
        ("010.0.0.1", None, "may mean 8.0.0.1"),
        ("lo", None, "name an interface with --interface"),
        ("0.0.0.0", None, "unspecified"),
        ("fe80::1", None, "needs its interface"),
        (None, "nosuch0", "There is no interface 'nosuch0' on this machine; it has: lo"),
        ("fe80::1%eth7", "lo", "another interface than --interface lo"),
    ],
)
def test_what_this_machine_does_not_have_is_wrong_usage(
    source: str | None, interface: str | None, said: str
) -> None:
    with pytest.raises(UsageError) as error:
        read_probe_source(source, interface)
    assert said in str(error.value)


def test_families_agree_or_are_told() -> None:
    probe_source = read_probe_source("127.0.0.1", "lo")
    with pytest.raises(UsageError, match="not an IPv6 address, as --ipv6 requires"):
        probe_source.ip_version(6)
    assert probe_source.ip_version(None) == 4
    found = probe_source.place(resolve(["::1", "127.0.0.1"], probe_source.ip_version(None)))
    assert "--source" in str(found[0].error)
    assert found[1].source == "127.0.0.1%lo"


def test_a_target_of_another_link_is_told() -> None:
    other = next((name for _, name in socket.if_nameindex() if name != "lo"), "eth9")
    (found,) = ProbeSource(None, "lo").place(resolve([f"fe80::1%{other}"], None))
    assert found.address is None
    assert "another interface" in str(found.error)
