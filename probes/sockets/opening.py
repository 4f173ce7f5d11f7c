"""Opening the sockets that probes leave from: raw where we may, without rights where we must."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from foundation.errors import RightsError
from probes.addresses import socket_address, split_source
from probes.sockets.bpf import attach_filter, echo_reply_filter, tcp_port_filter
from probes.sockets.descriptors import new_socket
from probes.sockets.identifiers import Identifier, Identifiers
from probes.sockets.obstacles import obstacles_told

_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER_BYTES = 4 << 20
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE = 10, 23, 3
_IPV6_TCLASS, _IPV6_AUTOFLOWLABEL = 67, 70
_IPV6_FLOWLABEL_MGR, _IPV6_FLOWINFO_SEND = 32, 33
_LABEL_GET, _LABEL_SHARED, _LABEL_CREATE = 0, 255, 1  # linux/in6.h: IPV6_FL_A_, _S_, _F_
# So that the TTL a reflector reports counts the hops (docs/concepts/measurement.md §1.3).
_STAMP_TTL = 255


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


def open_icmp(family: int, source: str | None, dscp: int, identifiers: Identifiers) -> OpenSocket:
    """Open a raw ICMP socket for echo replies to us alone, else an unprivileged ping socket.

    Raises RightsError where the system allows neither, ResourceError where there is no socket, or
    `source` is not ours.
    """
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    host, interface = split_source(source)
    with obstacles_told(family, host) as undo:
        try:
            kind = socket.SOCK_RAW
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError:
            return _open_ping(family, source, dscp, identifiers, protocol)
        lease = identifiers.lease()
        undo.callback(lease.close)
        attach_filter(sock, echo_reply_filter(family, lease.number))
        _prepare(sock, family, host, dscp)
    return OpenSocket(sock, lease.number, family == socket.AF_INET, lease)


def _open_ping(
    family: int, source: str | None, dscp: int, identifiers: Identifiers, protocol: int
) -> OpenSocket:
    """Open an unprivileged ping socket; its bound "port" is the ICMP identifier."""
    host, interface = split_source(source)
    with obstacles_told(family, host) as undo:
        try:
            kind = socket.SOCK_DGRAM
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError as error:
            raise _no_right_to_icmp() from error
        # Ping sockets are born with SO_REUSEADDR: any number of them may hold one identifier.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        _prepare(sock, family, None, dscp)
        while True:
            lease = identifiers.lease()
            undo.callback(lease.close)  # of those that others hold too: they are not asked again
            try:
                sock.bind(_local(family, host, lease.number))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
    return OpenSocket(sock, lease.number, guard=lease)


def open_udp(family: int, source: str | None, dscp: int) -> OpenSocket:
    """Open a UDP socket on a source port of the system's choice."""
    host, interface = split_source(source)
    with obstacles_told(family, host) as undo:
        sock = undo.enter_context(new_socket(family, socket.SOCK_DGRAM, interface=interface))
        _prepare(sock, family, host, dscp)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _STAMP_TTL)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _STAMP_TTL)
        if not host:
            sock.bind(_local(family, None))
    return OpenSocket(sock, int(sock.getsockname()[1]))


def open_tcp(family: int, source: str | None, dscp: int) -> OpenSocket:
    """Open a raw TCP socket for answers to a source port that is reserved for us.

    Raises RightsError without CAP_NET_RAW.
    """
    host, interface = split_source(source)
    with obstacles_told(family, host) as undo:
        try:
            kind, protocol = socket.SOCK_RAW, socket.IPPROTO_TCP
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError as error:
            raise _no_right_to_tcp() from error
        guard = undo.enter_context(new_socket(family, socket.SOCK_STREAM, interface=interface))
        guard.bind(_local(family, host))
        port = int(guard.getsockname()[1])
        attach_filter(sock, tcp_port_filter(family, port))
        _prepare(sock, family, host, dscp)
    return OpenSocket(sock, port, with_ip_header=family == socket.AF_INET, guard=guard)


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


def _local(family: int, source: str | None, port: int = 0) -> tuple[Any, ...]:
    """Return what a socket binds: an address of this machine, or any."""
    if source is not None and (":" in source) != (family == socket.AF_INET6):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    anywhere = "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - probes, not a server
    return socket_address(source or anywhere, port)


def _prepare(sock: socket.socket, family: int, source: str | None, dscp: int) -> None:
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
        sock.bind(_local(family, source))


def _no_right_to_icmp() -> RightsError:
    return RightsError(
        "This system does not let us send ICMP. Run as root, or give the program the right "
        "with `setcap cap_net_raw+ep`, or allow ping sockets with "
        "`sysctl net.ipv4.ping_group_range='0 2147483647'`.",
        "系统不允许发送 ICMP。请以 root 身份运行，或用 `setcap cap_net_raw+ep` 授予程序权限，"
        "或用 `sysctl net.ipv4.ping_group_range='0 2147483647'` 开放 ping 套接字。",
        protocol="icmp",
    )


def _no_right_to_tcp() -> RightsError:
    return RightsError(
        "TCP SYN probes need raw sockets. Run as root, or give the program the right with "
        "`setcap cap_net_raw+ep`.",
        "TCP SYN 探测需要原始套接字。请以 root 身份运行，"
        "或用 `setcap cap_net_raw+ep` 授予程序权限。",
        protocol="tcp",
    )
