"""STAMP as the engine sends it, unauthenticated: a batch of packets written, of replies read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import (
    ANSWER_REPLY,
    Codec,
    Outgoing,
    Quoted,
    ReplyFields,
    big_endian,
    eight_bytes,
)
from probes.channels.discarded import TRUNCATED
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.stamp.batch import note_extensions, read_reflector_packets, write_sender_packets
from probes.stamp.nonconforming import LAYOUT, SSID, mark
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.tlv_batch import CLASS_OF_SERVICE_BYTES, FOLLOW_UP_BYTES

_SENDER_SEQUENCE_END = 28  # of a reply (RFC 8762 §4.3.1)
_NTP_NS = 4  # NTP-64 counts 2^-32 s, nearly four of which are a nanosecond


class StampCodec(Codec):
    """STAMP, unauthenticated: a reply must repeat the probe's own timestamp.

    Reflectors that never do are believed by the sequence number alone (`lenient`), unless what
    they say is under an HMAC, which would be a recording then.
    """

    lenient = True

    def __init__(self, payload_bytes: int, ssid: int, dscp: int = 0) -> None:
        self.bytes_a_probe = max(payload_bytes, BASE_BYTES)
        # Reflectors take such packets one at a time, so it is asked where there is something to
        # know: whether a DSCP other than 0 came through.
        room = payload_bytes >= BASE_BYTES + FOLLOW_UP_BYTES + CLASS_OF_SERVICE_BYTES
        self._dscp_of_reply = dscp if dscp and room else None
        self._ssid = ssid
        self._follow_up = payload_bytes >= BASE_BYTES + FOLLOW_UP_BYTES

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write Session-Sender packets; their check is T1 as it is in the packet.

        T1 grows by a nanosecond within a batch, so that an answer from elsewhere tells its probe.
        """
        write_sender_packets(
            packets,
            (probes.sequence & 0xFFFFFFFF).astype(np.uint32),
            probes.wall_ns,
            probes.error_estimate,
            self._ssid,
            follow_up=self._follow_up,
            dscp_of_reply=self._dscp_of_reply,
        )
        t1 = packets[:, 4:12].view(">u8")[:, 0]
        t1 += np.arange(len(packets)).astype(np.uint64) * np.uint64(_NTP_NS)
        return t1.astype(np.uint64)

    def read(self, received: Received) -> ReplyFields:
        """Read Session-Reflector packets."""
        fields = read_reflector_packets(received.payload, received.length)
        # A reflector of before RFC 8972 has no SSID.
        mark(fields.odd, (fields.ssid != 0) & (fields.ssid != self._ssid), SSID)
        if self._follow_up:
            note_extensions(fields, received.payload, received.length)
        if self.lenient:  # those under an HMAC were moved, and cut
            mark(fields.odd, received.length != self.bytes_a_probe, LAYOUT)
        port = big_endian(received.address[:, 2:4], ">u2")
        return ReplyFields(
            valid=fields.valid,
            port=port,
            low_sequence=fields.sender_sequence.astype(np.int64),
            sequence_bits=32,
            check=eight_bytes(received.payload[:, 28:36]),
            answer=np.full(len(port), ANSWER_REPLY, np.uint8),
            fault=np.full(len(port), TRUNCATED, np.uint8),
            reflector=fields,
            asks_follow_up=self._follow_up,
            lenient=self.lenient,
        )

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return the senders' sequence numbers, where replies reach so far."""
        number = big_endian(received.payload[:, 24:28], ">u4")
        return np.where(received.length >= _SENDER_SEQUENCE_END, number, -1), 32

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by its number, where more than the UDP header is quoted."""
        return Quoted(
            known=np.ones(len(icmp_errors.length), np.bool_),
            numbered=icmp_errors.length >= 4,
            port=big_endian(icmp_errors.address[:, 2:4], ">u2"),
            low_sequence=big_endian(icmp_errors.payload[:, :4], ">u4"),
            sequence_bits=32,
        )
