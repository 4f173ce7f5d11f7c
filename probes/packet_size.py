"""How long the packets of a Type-P are on the wire."""

from __future__ import annotations

from probes.protocols.tcp.limits import SEGMENT_BYTES
from probes.stream import TypeP

_IP_BYTES = {4: 20, 6: 40}


def packet_bytes(type_p: TypeP) -> int:
    """Return the size of an IP packet of this Type-P, with its headers."""
    if type_p.protocol == "tcp":
        return _IP_BYTES[type_p.ip_version] + SEGMENT_BYTES
    return _IP_BYTES[type_p.ip_version] + 8 + max(type_p.payload_bytes, type_p.least_bytes)
