"""Tables of the kernel that fill up are counted where the kernel counts them."""

from __future__ import annotations

import errno
from pathlib import Path

from agent.host_tables import HostTables
from agent.probe_reasons import not_sent

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
    assert neighbours.text.en.startswith("This machine's table of neighbours is full")
    assert connections.text.en.startswith("This machine's table of connections is full")


def test_a_machine_that_shows_nothing_has_turned_nothing_away(tmp_path: Path) -> None:
    assert HostTables.read(tmp_path) == HostTables()
    (tmp_path / "arp_cache").write_text("something else\n")
    assert HostTables.read(tmp_path) == HostTables()
