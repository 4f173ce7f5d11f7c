"""How long the packets of a Type-P are on the wire."""

from __future__ import annotations

from probes.stream import TypeP

_IP_BYTES = {4: 20, 6: 40}


def packet_bytes(type_p: TypeP) -> int:
    """Return the size of an IP packet of this Type-P, with its headers."""
    header_bytes = _IP_BYTES[type_p.ip_version] + type_p.described.header_bytes
    return header_bytes + type_p.sent_payload_bytes
