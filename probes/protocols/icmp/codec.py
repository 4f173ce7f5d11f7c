"""ICMP echo as the engine sends it: a batch of requests written, of replies read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import ANSWER_REPLY, Codec, Outgoing, Quoted, ReplyFields, big_endian
from probes.channels.discarded import CHECKSUM, MALFORMED, TRUNCATED
from probes.protocols.icmp import packets as icmp
from probes.protocols.ip import after_ip_header
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket


class EchoCodec(Codec):
    """ICMP echo."""

    def __init__(self, opened: OpenSocket, payload_bytes: int) -> None:
        self.bytes_a_probe = icmp.HEADER_BYTES + payload_bytes
        self._opened = opened
        self._family = opened.sock.family
        self._payload_bytes = payload_bytes

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write echo requests; their check is the token, where the payload has room for it."""
        packets[:, icmp.HEADER_BYTES :] = 0
        token = probes.tokens()
        icmp.write_echo_requests(packets, self._family, self._opened.mark, probes.sequence, token)
        if self._payload_bytes >= icmp.COOKIE_BYTES:
            return token
        return np.zeros(len(packets), np.uint64)

    def read(self, received: Received) -> ReplyFields:
        """Read echo replies."""
        packets, length = received.payload, received.length
        if self._opened.with_ip_header:
            packets, length = after_ip_header(packets, length)
        echo = icmp.read_echo_replies(packets, length, self._family, self._payload_bytes)
        valid, fault = echo.valid & (echo.ident == self._opened.mark), None
        if self._opened.with_ip_header:  # else the kernel has verified it
            sound = icmp.is_undamaged(packets, length, self.bytes_a_probe)
            valid &= sound
        if not valid.all():
            fault = np.where(length < self.bytes_a_probe, TRUNCATED, MALFORMED).astype(np.uint8)
            if self._opened.with_ip_header:
                fault[~sound] = CHECKSUM
        return ReplyFields(
            valid=valid,
            port=np.zeros(len(packets), np.int64),
            low_sequence=echo.sequence,
            sequence_bits=echo.sequence_bits,
            check=echo.token,
            answer=np.full(len(packets), ANSWER_REPLY, np.uint8),
            fault=fault,
        )

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return ICMP's own sequence numbers."""
        packets, length = received.payload, received.length
        if self._opened.with_ip_header:
            packets, length = after_ip_header(packets, length)
        return np.where(length >= icmp.HEADER_BYTES, big_endian(packets[:, 6:8], ">u2"), -1), 16

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by identifier and the low bits of its number."""
        packets = icmp_errors.payload
        ident = big_endian(packets[:, 4:6], ">u2")
        known = (icmp_errors.length >= icmp.HEADER_BYTES) & (ident == self._opened.mark)
        return Quoted(
            known=known,
            numbered=known,
            port=np.zeros(len(packets), np.int64),
            low_sequence=big_endian(packets[:, 6:8], ">u2"),
            sequence_bits=16,
        )
