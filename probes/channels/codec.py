"""How ICMP echo, STAMP and TCP SYN write probes and read answers, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from probes.channels.discarded import CHECKSUM, MALFORMED, TRUNCATED
from probes.protocols.icmp import packets as icmp
from probes.protocols.tcp import segments as tcp
from probes.sockets.batch import Received
from probes.sockets.error_queue import IcmpErrors
from probes.sockets.opening import OpenSocket
from probes.stamp.batch import (
    ReflectorFields,
    note_extensions,
    read_reflector_packets,
    write_sender_packets,
)
from probes.stamp.oddities import LAYOUT, SSID, mark
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.tlv_batch import CLASS_OF_SERVICE_BYTES, FOLLOW_UP_BYTES

ANSWER_REPLY = 1  # index into channel.ANSWERS
_SENDER_SEQUENCE_END = 28  # of a reply (RFC 8762 §4.3.1)
_SYN_SEQUENCE_BITS, _SYN_TOKEN_BITS = 24, 8  # of an initial sequence number
_NTP_NS = 4  # NTP-64 counts 2^-32 s, nearly four of which are a nanosecond
_SYN_TOKEN = (1 << _SYN_TOKEN_BITS) - 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """n probes to write: `session` and `sequence` int64[n], `secret` uint64[n] of each session,
    `wall_ns` now, `error_estimate` of the own clock."""

    session: NDArray[np.int64]
    sequence: NDArray[np.int64]
    secret: NDArray[np.uint64]
    wall_ns: int
    error_estimate: int

    def tokens(self) -> NDArray[np.uint64]:
        """Return what only we can know of each probe: a mix of its session's secret and number."""
        mixed: NDArray[np.uint64] = self.secret + self.sequence.astype(np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed


@dataclass(frozen=True, slots=True)
class Said:
    """What the payloads of n packets said, before it is known whose they are."""

    valid: NDArray[np.bool_]
    port: NDArray[np.int64]  # of the peer; 0 for ICMP
    low_sequence: NDArray[np.int64]
    sequence_bits: int
    check: NDArray[np.uint64]
    answer: NDArray[np.uint8]
    fault: NDArray[np.uint8] | None = None  # why others are not valid (DISCARDED); None: malformed
    reflector: ReflectorFields | None = None
    asks_follow_up: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Quoted:
    """What n ICMP errors quote of packets we sent: `known` bool[n] says whether it is enough to
    tell the session, `numbered` bool[n] whether to tell the probe: a router need quote no more than
    eight octets behind the IP header (RFC 792). `port` of the peer as in `Said`; `low_sequence` has
    `sequence_bits`."""

    known: NDArray[np.bool_]
    numbered: NDArray[np.bool_]
    port: NDArray[np.int64]
    low_sequence: NDArray[np.int64]
    sequence_bits: int


class Codec(Protocol):
    """How one protocol writes probes and reads answers, a batch at a time."""

    bytes_a_probe: int

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write probes into the rows of uint8[n, bytes_a_probe]; return their checks."""

    def read(self, received: Received) -> Said:
        """Read the payloads of received packets."""

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return what is left of the numbers in packets that are not valid, -1 where nothing is,
        and how many bits of them."""

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Read what ICMP errors quote: it begins as `write` began, and may be cut."""


class EchoCodec:
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

    def read(self, received: Received) -> Said:
        """Read echo replies."""
        packets, length = received.payload, received.length
        if self._opened.with_ip_header:
            packets, length = icmp.after_ip_header(packets, length)
        echo = icmp.read_echo_replies(packets, length, self._family, self._payload_bytes)
        valid, fault = echo.valid & (echo.ident == self._opened.mark), None
        if self._opened.with_ip_header:  # else the kernel has verified it
            sound = icmp.is_undamaged(packets, length, self.bytes_a_probe)
            valid &= sound
        if not valid.all():
            fault = np.where(length < self.bytes_a_probe, TRUNCATED, MALFORMED).astype(np.uint8)
            if self._opened.with_ip_header:
                fault[~sound] = CHECKSUM
        return Said(
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
            packets, length = icmp.after_ip_header(packets, length)
        return np.where(length >= icmp.HEADER_BYTES, _number(packets[:, 6:8], ">u2"), -1), 16

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by identifier and the low bits of its number."""
        packets = icmp_errors.payload
        ident = _number(packets[:, 4:6], ">u2")
        known = (icmp_errors.length >= icmp.HEADER_BYTES) & (ident == self._opened.mark)
        return Quoted(
            known=known,
            numbered=known,
            port=np.zeros(len(packets), np.int64),
            low_sequence=_number(packets[:, 6:8], ">u2"),
            sequence_bits=16,
        )


class StampCodec:
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
        """Write Session-Sender packets; their check is T1 as it stands in the packet.

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

    def read(self, received: Received) -> Said:
        """Read Session-Reflector packets."""
        fields = read_reflector_packets(received.payload, received.length)
        # A reflector of before RFC 8972 has no SSID.
        mark(fields.odd, (fields.ssid != 0) & (fields.ssid != self._ssid), SSID)
        if self._follow_up:
            note_extensions(fields, received.payload, received.length)
        if self.lenient:  # those under an HMAC were moved, and cut
            mark(fields.odd, received.length != self.bytes_a_probe, LAYOUT)
        port = _number(received.address[:, 2:4], ">u2")
        return Said(
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
        number = _number(received.payload[:, 24:28], ">u4")
        return np.where(received.length >= _SENDER_SEQUENCE_END, number, -1), 32

    def quoted(self, icmp_errors: IcmpErrors) -> Quoted:
        """Tell the probe by its number, where more than the UDP header is quoted."""
        return Quoted(
            known=np.ones(len(icmp_errors.length), np.bool_),
            numbered=icmp_errors.length >= 4,
            port=_number(icmp_errors.address[:, 2:4], ">u2"),
            low_sequence=_number(icmp_errors.payload[:, :4], ">u4"),
            sequence_bits=32,
        )


class SynCodec:
    """TCP SYN: the answer acknowledges the initial sequence number, whose start is secret.

    Numbers of a session are 256 apart, with a token of the session below: an acknowledgement that
    is off by a little is none, and an answer from elsewhere tells its probe. They stay so near that
    a SYN which meets the half-open connection of the one before lies in its window (RFC 9293
    §3.10.7.4), and is answered.
    """

    bytes_a_probe = tcp.SEGMENT_BYTES

    def __init__(self, opened: OpenSocket, secret: int) -> None:
        self._opened = opened
        self._family = opened.sock.family
        self._secret = np.uint32(secret)
        self._port = np.zeros(0, np.uint16)
        self._pseudo_sum = np.zeros(0, np.uint64)

    def set_peers(self, port: NDArray[np.uint16], pseudo_sum: NDArray[np.uint64]) -> None:
        """Tell destination ports and pseudo header sums, indexed by session number."""
        self._port, self._pseudo_sum = port, pseudo_sum

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
            self._pseudo_sum[probes.session],
        )
        return token

    def read(self, received: Received) -> Said:
        """Read SYN-ACK and RST segments."""
        packets, length = received.payload, received.length
        if self._opened.with_ip_header:
            packets, length = icmp.after_ip_header(packets, length)
        said = tcp.read_syn_answers(packets, length)
        return Said(
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
        initial = _number(packets[:, 4:8], ">u4").astype(np.uint32)
        known = (icmp_errors.length >= 8) & (_number(packets[:, :2], ">u2") == self._opened.mark)
        return Quoted(
            known=known,
            numbered=known,
            port=_number(packets[:, 2:4], ">u2"),
            low_sequence=self._sequence(initial),
            sequence_bits=_SYN_SEQUENCE_BITS,
        )

    def _sequence(self, initial: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the low bits of the probes' numbers in initial sequence numbers."""
        return (initial - self._secret >> np.uint32(_SYN_TOKEN_BITS)).astype(np.int64)


def _number(column: NDArray[np.uint8], kind: str) -> NDArray[np.int64]:
    """Read one big-endian number from each row."""
    number: NDArray[np.int64] = column.view(kind)[:, 0].astype(np.int64)
    return number


def eight_bytes(column: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Read eight bytes of each row as one number."""
    number: NDArray[np.uint64] = column.view(">u8")[:, 0].astype(np.uint64)
    return number
