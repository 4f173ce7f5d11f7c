"""Tables of the kernel that fill up are counted where the kernel counts them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_connections import LIMIT

from agent.probe.host_tables import HostTables
from agent.probe.reasons import not_sent

ARP = (
    "entries  allocs destroys hash_grows table_fulls\n00000003 0000000a 1 2 {}\n00000003 0 0 0 1\n"
)
CONNECTIONS = "entries  found insert drop early_drop\n00000003 0 0 {} 9\n"


def tables(where: Path, neighbours: str, connections: str) -> HostTables:
    (where / "arp_cache").write_text(ARP.format(neighbours))
    (where / "nf_conntrack").write_text(CONNECTIONS.format(connections))
    return HostTables.read(where)


def test_what_was_turned_away_meanwhile_names_the_table(tmp_path: Path) -> None:
    before = tables(tmp_path, "0000000f", "00000001")
    assert before == HostTables(16, 1)
    quiet = tables(tmp_path, "0000000f", "00000001").since(before)
    assert "queue" in not_sent(errno.ENOBUFS, quiet).text.en
    assert "nft list ruleset" in not_sent(errno.EPERM, quiet).text.en
    full = tables(tmp_path, "00000010", "00000002").since(before)
    neighbours, connections = not_sent(errno.ENOBUFS, full), not_sent(errno.EPERM, full)
    assert (neighbours.code, connections.code) == ("neighbours_full", "connections_full")
    assert neighbours.text.en.startswith("This machine's neighbour table is full")
    assert connections.text.en.startswith("This machine's connection tracking table is full")


def test_a_machine_that_shows_nothing_has_turned_nothing_away(tmp_path: Path) -> None:
    assert HostTables.read(tmp_path) == HostTables()
    (tmp_path / "arp_cache").write_text("something else\n")
    assert HostTables.read(tmp_path) == HostTables()


@pytest.fixture
def full_host() -> Iterator[str]:
    """A namespace with loopback alone, whose connection table is full."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("needs root and nftables to make network namespaces: run `sudo make test`")
    try:
        most = int(LIMIT.read_text(encoding="ascii"))
    except OSError:
        pytest.skip("this kernel tracks no connections")
    if not 0 < most <= 1 << 19:
        pytest.skip(f"the table has room for {most} connections: too many to fill")
    name = f"isoT{os.getpid()}"
    inside = ("ip", "netns", "exec", name)
    rule = "table inet t { chain c { type filter hook output priority 0; ct state invalid; }; }"
    try:
        sh("ip", "netns", "add", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        sh(*inside, "nft", "-f", "-", stdin=rule)
        sh(*inside, sys.executable, str(Path(__file__).with_name("full_connections.py")))
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def sh(*words: str, stdin: str | None = None) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, input=stdin)


@pytest.mark.network
def test_a_connection_table_that_is_really_full_is_named_and_no_firewall(full_host: str) -> None:
    for protocol, target in (("icmp", "127.0.0.1"), ("udp", "::1")):
        done = subprocess.run(
            ["ip", "netns", "exec", full_host, sys.executable, "-P", "-m", "isochrone", "probe",
             protocol, target, "--count", "3", "--interval", "5ms", "--json"],
            capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"ISOCHRONE_LANG": "en"},
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert (found["sent"], found["not_sent"]) == (0, 3), done.stderr
        assert [remark["code"] for remark in found["remarks"]] == ["connections_full"]
        assert "connection tracking table is full" in done.stderr
        assert done.returncode == 1
