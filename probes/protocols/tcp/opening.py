"""Opening the sockets of TCP SYN: raw, or connections where that is not allowed."""

from __future__ import annotations

import socket

from foundation.errors import RightsError
from probes.addresses import split_source
from probes.channels.channel import Channel
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.tcp.codec import SynCodec
from probes.protocols.tcp.connect import ConnectChannel
from probes.sockets.bpf import attach_filter, tcp_port_filter
from probes.sockets.descriptors import new_socket
from probes.sockets.obstacles import explaining_obstacles
from probes.sockets.opening import OpenSocket, local_address, prepare


def open_channel(order: ChannelOrder, kit: ChannelKit) -> Channel:
    """Open a channel for SYNs, or one that connects where raw sockets are not allowed."""
    try:
        opened = open_tcp(order.family, order.source, order.dscp)
    except RightsError:
        return ConnectChannel(order.number, order.family, order.source, order.dscp)
    secret = int(kit.generator.integers(0, 1 << 32))
    return kit.batch_channel(order, opened, SynCodec(opened, secret))


def open_tcp(family: int, source: str | None, dscp: int) -> OpenSocket:
    """Open a raw TCP socket for answers to a source port that is reserved for us.

    Raises RightsError without CAP_NET_RAW.
    """
    host, interface = split_source(source)
    with explaining_obstacles(family, host) as undo:
        try:
            kind, protocol = socket.SOCK_RAW, socket.IPPROTO_TCP
            sock = undo.enter_context(new_socket(family, kind, protocol, interface=interface))
        except PermissionError as error:
            raise _no_right_to_tcp() from error
        guard = undo.enter_context(new_socket(family, socket.SOCK_STREAM, interface=interface))
        guard.bind(local_address(family, host))
        port = int(guard.getsockname()[1])
        attach_filter(sock, tcp_port_filter(family, port))
        prepare(sock, family, host, dscp)
    return OpenSocket(sock, port, with_ip_header=family == socket.AF_INET, guard=guard)


def _no_right_to_tcp() -> RightsError:
    return RightsError(
        "TCP SYN probes need raw sockets. Run as root, or give the program the capability with "
        "`setcap cap_net_raw+ep`.",
        "TCP SYN 探测需要原始套接字。请以 root 身份运行，"
        "或用 `setcap cap_net_raw+ep` 授予程序权限。",
        protocol="tcp",
    )
