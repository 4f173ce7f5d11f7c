"""Opening the sockets of STAMP's Session-Sender (RFC 8762)."""

from __future__ import annotations

import socket

from probes.addresses import split_source
from probes.channels.channel import Channel
from probes.channels.codec import Codec
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.stamp.authenticated import AuthenticatedCodec
from probes.protocols.stamp.codec import StampCodec
from probes.sockets.descriptors import new_socket
from probes.sockets.obstacles import explaining_obstacles
from probes.sockets.opening import OpenSocket, local_address, prepare

# so that the TTL a reflector reports counts the hops (docs/concepts/measurement.md §1.3)
_TTL = 255


def open_channel(order: ChannelOrder, kit: ChannelKit) -> Channel:
    """Open a channel for STAMP, under keys where that is asked for."""
    opened = open_udp(order.family, order.source, order.dscp)
    ssid = int(kit.generator.integers(1, 1 << 16))
    codec: Codec
    if order.authenticated:
        codec = AuthenticatedCodec(order.payload_bytes, ssid)
    else:
        codec = StampCodec(order.payload_bytes, ssid, order.dscp)
    return kit.batch_channel(order, opened, codec)


def open_udp(family: int, source: str | None, dscp: int) -> OpenSocket:
    """Open a UDP socket on a source port of the system's choice."""
    host, interface = split_source(source)
    with explaining_obstacles(family, host) as undo:
        sock = undo.enter_context(new_socket(family, socket.SOCK_DGRAM, interface=interface))
        prepare(sock, family, host, dscp)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _TTL)
        if not host:
            sock.bind(local_address(family, None))
    return OpenSocket(sock, int(sock.getsockname()[1]))
