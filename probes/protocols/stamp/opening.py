"""Opening the sockets of STAMP's Session-Sender (RFC 8762)."""

from __future__ import annotations

from probes.channels.channel import Channel
from probes.channels.codec import Codec
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.protocols.stamp.authenticated import AuthenticatedCodec
from probes.protocols.stamp.codec import StampCodec
from probes.sockets.opening import open_udp

# so that the TTL a reflector reports counts the hops (docs/concepts/measurement.md §1.3)
_TTL = 255


def open_channel(order: ChannelOrder, kit: ChannelKit) -> Channel:
    """Open a channel for STAMP, under keys where that is requested."""
    opened = open_udp(order.family, order.source, order.dscp, ttl=_TTL)
    ssid = int(kit.generator.integers(1, 1 << 16))
    codec: Codec
    if order.authenticated:
        codec = AuthenticatedCodec(order.payload_bytes, ssid)
    else:
        codec = StampCodec(order.payload_bytes, ssid, order.dscp)
    return kit.batch_channel(order, opened, codec)
