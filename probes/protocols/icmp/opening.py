"""Opening the sockets of ICMP echo: raw where we may, ping sockets where we must."""

from __future__ import annotations

import errno
import socket

from foundation.errors import RightsError
from probes.addresses import split_source
from probes.channels.channel import Channel
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.icmp.codec import EchoCodec
from probes.sockets.bpf import attach_filter, echo_reply_filter
from probes.sockets.descriptors import new_socket
from probes.sockets.identifiers import Identifiers
from probes.sockets.obstacles import explaining_obstacles
from probes.sockets.opening import OpenSocket, local_address, prepare


def open_channel(order: ChannelOrder, kit: ChannelKit) -> Channel:
    """Open a channel for echo requests."""
    opened = open_icmp(order.family, order.source, order.dscp, kit.identifiers)
    return kit.batch_channel(order, opened, EchoCodec(opened, order.payload_bytes))


def open_icmp(family: int, source: str | None, dscp: int, identifiers: Identifiers) -> OpenSocket:
    """Open a raw ICMP socket for echo replies to us alone, else an unprivileged ping socket.

    Raises RightsError where the system allows neither, ResourceError where there is no socket, or
    `source` is not ours.
    """
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    host, interface = split_source(source)
    with explaining_obstacles(family, host) as undo:
        try:
            kind = socket.SOCK_RAW
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError:
            return _open_ping(family, source, dscp, identifiers, protocol)
        lease = identifiers.lease()
        undo.callback(lease.close)
        attach_filter(sock, echo_reply_filter(family, lease.number))
        prepare(sock, family, host, dscp)
    return OpenSocket(sock, lease.number, family == socket.AF_INET, lease)


def _open_ping(
    family: int, source: str | None, dscp: int, identifiers: Identifiers, protocol: int
) -> OpenSocket:
    """Open an unprivileged ping socket; its bound "port" is the ICMP identifier."""
    host, interface = split_source(source)
    with explaining_obstacles(family, host) as undo:
        try:
            kind = socket.SOCK_DGRAM
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError as error:
            raise _no_right_to_icmp() from error
        # Ping sockets are born with SO_REUSEADDR: any number of them may hold one identifier.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        prepare(sock, family, None, dscp)
        while True:
            lease = identifiers.lease()
            undo.callback(lease.close)  # of those that others hold too: they are not asked again
            try:
                sock.bind(local_address(family, host, lease.number))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
    return OpenSocket(sock, lease.number, guard=lease)


def _no_right_to_icmp() -> RightsError:
    return RightsError(
        "This system does not permit sending ICMP. Run as root, or give the program the "
        "capability with `setcap cap_net_raw+ep`, or allow ping sockets with "
        "`sysctl net.ipv4.ping_group_range='0 2147483647'`.",
        "系统不允许发送 ICMP。请以 root 身份运行，或用 `setcap cap_net_raw+ep` 授予程序权限，"
        "或用 `sysctl net.ipv4.ping_group_range='0 2147483647'` 开放 ping 套接字。",
        protocol="icmp",
    )
