"""UDP echo as the engine sends it: number and token of a probe, which come back as they went.

 0               4               12                (octets)
+---------------+---------------+------- - -
|  sequence 4   |    token 8    |  zeros
+---------------+---------------+------- - -
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.channels.channel import Channel
from probes.channels.codec import ANSWER_REPLY, Codec, Outgoing, Quoted, ReplyFields, big_endian
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import open_udp
from probes.sockets.records import rows_through
from udp_echo.descriptor import HEADER_BYTES

_NUMBER, _TOKEN = np.dtype(">u4"), np.dtype(">u8")


def open_channel(order: ChannelOrder, kit: ChannelKit) -> Channel:
    """Open a channel for echo requests over UDP."""
    opened = open_udp(order.family, order.source, order.dscp)
    return kit.batch_channel(order, opened, UdpEchoCodec(order.payload_bytes))


class UdpEchoCodec(Codec):
    """UDP echo: what comes back must be what was sent."""

    def __init__(self, payload_bytes: int) -> None:
        self.bytes_a_probe = payload_bytes

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write requests; their check is the token."""
        token = probes.tokens()
        rows_through(packets, 0, _NUMBER)[:] = probes.sequence & 0xFFFF_FFFF
        rows_through(packets, 4, _TOKEN)[:] = token
        packets[:, HEADER_BYTES:] = 0
        return token

    def read(self, received: Received) -> ReplyFields:
        """Read what came back."""
        return ReplyFields(
            valid=received.length == self.bytes_a_probe,
            port=big_endian(received.address[:, 2:4], ">u2"),
            low_sequence=rows_through(received.payload, 0, _NUMBER).astype(np.int64),
            sequence_bits=32,
            check=rows_through(received.payload, 4, _TOKEN).astype(np.uint64),
            answer=np.full(len(received), ANSWER_REPLY, np.uint8),
        )

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return the numbers of packets that came back shorter, where they reach so far."""
        number = rows_through(received.payload, 0, _NUMBER).astype(np.int64)
        return np.where(received.length >= 4, number, -1), 32

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by its number, where more than the UDP header is quoted."""
        return Quoted(
            known=np.ones(len(icmp_errors.length), np.bool_),
            numbered=icmp_errors.length >= 4,
            port=big_endian(icmp_errors.address[:, 2:4], ">u2"),
            low_sequence=big_endian(icmp_errors.payload[:, :4], ">u4"),
            sequence_bits=32,
        )
