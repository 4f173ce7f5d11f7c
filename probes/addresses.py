"""Socket addresses as the kernel has them: numeric hosts and ports in bytes."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

ADDRESS_BYTES = 28  # sockaddr_in6, the longer of the two
_LAST_INTERFACE = (1 << 31) - 1


def pack_address(host: str, port: int = 0) -> NDArray[np.uint8]:
    """Return the sockaddr of a numeric address (``fe80::1%eth0`` too) as uint8[28].

    Raises OSError for what is no numeric address.
    """
    numeric, _, zone = host.partition("%")
    family = socket.AF_INET6 if ":" in numeric else socket.AF_INET
    raw = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET6:
        raw += bytes(4)
    if "\0" in host:  # for which Python has another error
        raise OSError(errno.EINVAL, f"{host!r} is not an address")
    raw += socket.inet_pton(family, numeric)
    if family == socket.AF_INET6:
        raw += struct.pack("=I", _zone_index(zone) if zone else 0)
    elif zone:
        raise OSError(errno.EINVAL, f"{host} is not an IPv4 address")
    row = np.zeros(ADDRESS_BYTES, np.uint8)
    row[: len(raw)] = np.frombuffer(raw, np.uint8)
    return row


def unpack_address(raw: bytes) -> tuple[Any, ...]:
    """Return a sockaddr as Python's sockets take it: with its zone, which they read from nothing
    but the fourth item."""
    port = int.from_bytes(raw[2:4], "big")
    if int.from_bytes(raw[:2], "little") == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
    flow, scope = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[24:28], "little")
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, flow, scope


def socket_address(host: str, port: int = 0) -> tuple[Any, ...]:
    """Return what `bind` and `connect` take for a numeric address. Raises OSError."""
    return unpack_address(pack_address(host, port).tobytes())


def split_source(source: str | None) -> tuple[str | None, str]:
    """Return what a socket binds and by which interface alone its packets leave, "" for any.

    A source may carry a zone, as in ``192.0.2.1%eth0``; a link-local address has it as a part.
    """
    host, _, interface = (source or "").partition("%")
    if host.lower().startswith("fe80:"):
        return source, ""
    return host or None, interface


def zone_of(host: str | None) -> int:
    """Return the index of the interface that an address names, 0 where it names none or one that
    is not here."""
    zone = (host or "").partition("%")[2]
    try:
        return _zone_index(zone) if zone else 0
    except OSError:
        return 0


def _zone_index(zone: str) -> int:
    """Return the index of the interface that an IPv6 zone names (RFC 4007 §11). Raises OSError."""
    if not zone.isascii() or "\0" in zone:
        raise OSError(errno.ENODEV, f"there is no interface {zone!r}")
    if not zone.isdecimal():
        return socket.if_nametoindex(zone)
    if int(zone) > _LAST_INTERFACE:
        raise OSError(errno.ENODEV, f"there is no interface {zone}")
    socket.if_indextoname(int(zone))
    return int(zone)
