"""What the sockets of all probe protocols share: how they are opened, prepared and bound."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from probes.addresses import socket_address, split_source
from probes.sockets.descriptors import new_socket
from probes.sockets.identifiers import Identifier
from probes.sockets.obstacles import explaining_obstacles

_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER_BYTES = 4 << 20
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE = 10, 23, 3
_IPV6_TCLASS, _IPV6_AUTOFLOWLABEL = 67, 70
_IPV6_FLOWLABEL_MGR, _IPV6_FLOWINFO_SEND = 32, 33
_LABEL_GET, _LABEL_SHARED, _LABEL_CREATE = 0, 255, 1  # linux/in6.h: IPV6_FL_A_, _S_, _F_


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """A socket ready for probes of one flow.

    `mark` is what makes the flow: ICMP identifier or source port. `with_ip_header` tells that
    received packets begin with an IPv4 header. `guard` keeps others from the mark, where the socket
    itself does not: it holds the source port of a raw TCP flow, or the lease of an identifier.
    """

    sock: socket.socket
    mark: int
    with_ip_header: bool = False
    guard: socket.socket | Identifier | None = None

    def close(self) -> None:
        """Close the socket, and let others have its mark."""
        self.sock.close()
        if self.guard is not None:
            self.guard.close()


def open_udp(family: int, source: str | None, dscp: int, ttl: int | None = None) -> OpenSocket:
    """Open a UDP socket on a source port of the system's choice; `ttl` None: the system's."""
    host, interface = split_source(source)
    with explaining_obstacles(family, host) as undo:
        sock = undo.enter_context(new_socket(family, socket.SOCK_DGRAM, interface=interface))
        prepare(sock, family, host, dscp)
        if ttl is not None and family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        elif ttl is not None:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        if not host:
            sock.bind(local_address(family, None))
    return OpenSocket(sock, int(sock.getsockname()[1]))


def lease_flow_label(sock: socket.socket, label: int) -> bytes:
    """Lease an IPv6 flow label for a socket; return the sin6_flowinfo that sends with it.

    Routers may choose among equal paths by the label (RFC 6438), so every flow keeps one. Where the
    system grants none, the label stays 0: fixed too, though not the flow's own.
    """
    lease = socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(
        "=4sBBHHHI", struct.pack("!I", label), _LABEL_GET, _LABEL_SHARED, _LABEL_CREATE, 0, 0, 0
    )
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FLOWLABEL_MGR, lease)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FLOWINFO_SEND, 1)
    except OSError:
        return bytes(4)
    return struct.pack("!I", label)


def is_ours(host: str) -> bool:
    """Return whether a numeric address is one of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind(socket_address(host))
        return True
    return False


def local_address(family: int, source: str | None, port: int = 0) -> tuple[Any, ...]:
    """Return what a socket binds: an address of this machine, or any."""
    if source is not None and (":" in source) != (family == socket.AF_INET6):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    anywhere = "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - probes, not a server
    return socket_address(source or anywhere, port)


def prepare(sock: socket.socket, family: int, source: str | None, dscp: int) -> None:
    """Set what all probe sockets share: source, DSCP, no fragments, a fixed flow label, buffers."""
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TCLASS, dscp << 2)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_AUTOFLOWLABEL, 0)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _RECEIVE_BUFFER_BYTES)
    if source:
        sock.bind(local_address(family, source))
