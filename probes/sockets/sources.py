"""Which local address packets to many destinations leave from: asked of the kernel's routing tables
(rtnetlink(7), RTM_GETROUTE) over one socket, hundreds of questions to a call.

A socket opened and connected for each destination takes ten times as long.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg, of which only family and prefix length matter
_ATTRIBUTE = struct.Struct("=HH")
_GET_ROUTE, _REQUEST, _ERROR = 26, 1, 2
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_AT_ONCE = 128  # questions; their answers fit into the socket's buffer
_BUFFER_BYTES, _ANSWER_BYTES = 1 << 20, 1 << 16
_PATIENCE_S = 1.0  # the kernel answers at once

Destination = tuple[bytes, int]  # packed address, and index of its interface (0: any)


def source_addresses(family: int, destinations: Sequence[Destination]) -> list[bytes | None]:
    """Return the packed source address for each destination; None where there is no route.

    Routes are those of the network namespace of this thread. Raises OSError.
    """
    found: list[bytes | None] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        sock.settimeout(_PATIENCE_S)
        for start in range(0, len(destinations), _AT_ONCE):
            found += _ask(sock, family, destinations[start : start + _AT_ONCE])
    return found


def _ask(
    sock: socket.socket, family: int, destinations: Sequence[Destination]
) -> list[bytes | None]:
    sock.send(b"".join(_question(family, n, one) for n, one in enumerate(destinations)))
    found: list[bytes | None] = [None] * len(destinations)
    waiting = len(destinations)
    while waiting:
        answers = sock.recv(_ANSWER_BYTES)
        at = 0
        while at + _HEADER.size <= len(answers):
            length, kind, _, number, _ = _HEADER.unpack_from(answers, at)
            if kind != _ERROR:
                found[number] = _source_in(answers, at + _HEADER.size + _ROUTE.size, at + length)
            waiting -= 1
            at += (length + 3) & ~3
    return found


def _question(family: int, number: int, destination: Destination) -> bytes:
    address, interface = destination
    body = _ROUTE.pack(family, 8 * len(address), 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address), _RTA_DST) + address
    if interface:
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _RTA_OIF) + struct.pack("=I", interface)
    return _HEADER.pack(_HEADER.size + len(body), _GET_ROUTE, _REQUEST, number, 0) + body


def _source_in(answer: bytes, at: int, end: int) -> bytes | None:
    """Return the preferred source among the attributes of an answer."""
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _RTA_PREFSRC:
            return answer[at + _ATTRIBUTE.size : at + length]
        at += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None
