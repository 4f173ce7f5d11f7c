"""TCP SYN as the engine sends it: a batch of segments written, of answers read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import Codec, Outgoing, Quoted, ReplyFields, big_endian
from probes.channels.discarded import MALFORMED, TRUNCATED
from probes.protocols.ip import after_ip_header
from probes.protocols.tcp import segments as tcp
from probes.protocols.tcp.limits import SEGMENT_BYTES
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket

_SYN_SEQUENCE_BITS, _SYN_TOKEN_BITS = 24, 8  # of an initial sequence number
_SYN_TOKEN = (1 << _SYN_TOKEN_BITS) - 1


class SynCodec(Codec):
    """TCP SYN: the answer acknowledges the initial sequence number, whose start is secret.

    Numbers of a session are 256 apart, with a token of the session below: an acknowledgement that
    is off by a little is none, and an answer from elsewhere tells its probe. They stay so near that
    a SYN which meets the half-open connection of the one before lies in its window (RFC 9293
    §3.10.7.4), and is answered.
    """

    bytes_a_probe = SEGMENT_BYTES
    sums_addresses = port_in_packet = True

    def __init__(self, opened: OpenSocket, secret: int) -> None:
        self._opened = opened
        self._family = opened.sock.family
        self._secret = np.uint32(secret)
        self._port = np.zeros(0, np.uint16)
        self._address_sum = np.zeros(0, np.uint64)

    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None:
        """Use destination ports and sums of addresses, indexed by session number."""
        self._port, self._address_sum = port, address_sum

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write SYNs; their check is the token of their session."""
        token = probes.secret & np.uint64(_SYN_TOKEN)
        number = (probes.sequence.astype(np.uint64) << np.uint64(_SYN_TOKEN_BITS)) | token
        tcp.write_syns(
            packets,
            self._family,
            self._opened.mark,
            self._port[probes.session],
            number.astype(np.uint32) + self._secret,
            self._address_sum[probes.session],
        )
        return token

    def read(self, received: Received) -> ReplyFields:
        """Read SYN-ACK and RST segments."""
        packets, length = received.payload, received.length
        if self._opened.with_ip_header:
            packets, length = after_ip_header(packets, length)
        said = tcp.read_syn_answers(packets, length)
        return ReplyFields(
            valid=said.valid,
            port=said.port.astype(np.int64),
            low_sequence=self._sequence(said.initial_sequence),
            sequence_bits=_SYN_SEQUENCE_BITS,
            check=(said.initial_sequence - self._secret).astype(np.uint64) & np.uint64(_SYN_TOKEN),
            answer=said.answer,
            fault=np.where(length < tcp.HEADER_BYTES, TRUNCATED, MALFORMED).astype(np.uint8),
        )

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return nothing: an acknowledgement of another kind acknowledges none of ours."""
        return np.full(len(received), -1), 32

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by its ports and initial sequence number."""
        packets = icmp_errors.payload
        initial = big_endian(packets[:, 4:8], ">u4").astype(np.uint32)
        known = (icmp_errors.length >= 8) & (big_endian(packets[:, :2], ">u2") == self._opened.mark)
        return Quoted(
            known=known,
            numbered=known,
            port=big_endian(packets[:, 2:4], ">u2"),
            low_sequence=self._sequence(initial),
            sequence_bits=_SYN_SEQUENCE_BITS,
        )

    def _sequence(self, initial: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the low bits of the probes' numbers in initial sequence numbers."""
        return (initial - self._secret >> np.uint32(_SYN_TOKEN_BITS)).astype(np.int64)
