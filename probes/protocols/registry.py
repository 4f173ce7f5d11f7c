"""Every probe protocol, by name: the one place where one is added.

Schemas (Type-P, site files, the API) are made from the names, so those are fixed once asked for.
"""

from __future__ import annotations

from probes.protocols.descriptor import ProbeProtocol
from probes.protocols.icmp.descriptor import ICMP
from probes.protocols.stamp.descriptor import STAMP
from probes.protocols.tcp.descriptor import TCP

_PROTOCOLS: dict[str, ProbeProtocol] = {}
_sealed = False


def register(protocol: ProbeProtocol) -> None:
    """Add a protocol. Raises RuntimeError for a name that is taken, or once names are in use."""
    if protocol.name in _PROTOCOLS:
        raise RuntimeError(f"two probe protocols are called {protocol.name}")
    if _sealed:
        raise RuntimeError(f"{protocol.name} is registered after schemas were made of the names")
    _PROTOCOLS[protocol.name] = protocol


def protocols() -> tuple[ProbeProtocol, ...]:
    """Return all protocols, in the order in which they were registered."""
    global _sealed
    _sealed = True
    return tuple(_PROTOCOLS.values())


def protocol_names() -> tuple[str, ...]:
    """Return the names of all protocols, in the order in which they were registered."""
    return tuple(protocol.name for protocol in protocols())


def names_by_rank() -> tuple[str, ...]:
    """Return the names of all protocols, the one that is judged first first."""
    return tuple(each.name for each in sorted(protocols(), key=lambda each: each.rank))


def protocol_of(name: str) -> ProbeProtocol:
    """Return the protocol of a name that a schema has let through."""
    return _PROTOCOLS[name]


for _one in (ICMP, STAMP, TCP):
    register(_one)
