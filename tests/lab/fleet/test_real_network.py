"""Real networks: only sites with an address of this machine measure, all others are measured."""

from pathlib import Path

import pytest

from foundation.errors import ConfigError
from lab.fleet.real_network import is_local, local_sites, seen_from_here
from topology.network import Network
from topology.site_file import load_network

SITES = """
[network]
name = "t"
title = { en = "T", zh = "试" }
[[site]]
name = "here"
city = "nanjing"
[[site.interface]]
carrier = "telecom"
ipv4 = "127.0.0.9"
[[site]]
city = "suzhou"
name = 'there'
interface = [{ carrier = "telecom", ipv4 = "203.0.113.7" }]
[[mesh]]
name = "here"
stream = [{ protocol = "icmp", interval_ms = 1000.0 }]
"""


def network_of(text: str, tmp_path: Path) -> Network:
    file = tmp_path / "sites.toml"
    file.write_text(text, encoding="utf-8")
    return load_network(file)


def test_an_address_is_local_if_an_interface_has_it() -> None:
    assert is_local("127.0.0.1")
    assert not is_local("203.0.113.7")  # for documentation (RFC 5737): nobody's


def test_sites_that_are_not_here_are_external_and_nothing_else_changes(tmp_path: Path) -> None:
    network = network_of(SITES, tmp_path)
    here = local_sites(network)
    assert here == ["here"]
    seen = seen_from_here(SITES, network, here)
    assert [line for line in seen.splitlines() if line not in SITES.splitlines()] == [
        "external = true"
    ]
    again = network_of(seen, tmp_path)
    assert {name: site.external for name, site in again.sites.items()} == {
        "here": False,
        "there": True,
    }
    assert seen_from_here(seen, again, here) == seen


def test_a_file_without_a_site_of_this_machine_is_refused(tmp_path: Path) -> None:
    text = SITES.replace("127.0.0.9", "203.0.113.9")
    with pytest.raises(ConfigError, match="address of this machine"):
        local_sites(network_of(text, tmp_path))
