"""The small fleet's sites and the streams between them.

Nothing heavy is imported here: networks are entered first (lab.fleet.kernel).
"""

from __future__ import annotations

ADDRESSES = {"nanjing": "198.18.1.1", "yancheng": "198.18.1.2", "shanghai": "198.18.1.3"}
PROBES_PER_S = 2 * (25 + 10)  # of each agent: to two others, by UDP and ICMP
_SITES = """
[network]
name = "faults"
title = { en = "Faults", zh = "故障" }
"""
_SITE = """
[[site]]
name = "{name}"
city = "{name}"
[[site.interface]]
carrier = "telecom"
ipv4 = "{address}"
"""
_MESH = """
[[mesh]]
name = "all"
kind = "full"
stream = [
  { protocol = "udp", payload_bytes = 64, interval_ms = 40, timeout_ms = 300 },
  { protocol = "icmp", interval_ms = 100, timeout_ms = 300 },
]
"""


def site_file() -> str:
    """Return the site file of the fleet."""
    sites = [_SITE.format(name=name, address=where) for name, where in ADDRESSES.items()]
    return _SITES + "".join(sites) + _MESH
