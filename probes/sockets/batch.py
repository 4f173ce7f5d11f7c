"""Datagram sockets in batches: sendmmsg and recvmmsg over numpy memory, with kernel timestamps.

The caller writes packets into the rows of a ring, in place, and sends them with one system call;
received packets are rows of a ring, valid until the next call. Where only a packet or two came, a
row is read and an answer sent without numpy: a call of numpy costs as much for one row as for a
hundred.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.addresses import ADDRESS_BYTES
from probes.sockets import control
from probes.sockets.error_queue import KERNEL_TIMESTAMP, TX_SOFTWARE, USER_TIMESTAMP, ErrorQueue
from probes.sockets.ring import Ring, Rings

_SO_MEMINFO = 55
_IP_RECVTTL, _IPV6_RECVHOPLIMIT, _IPV6_RECVPKTINFO = 12, 51, 49
_IP_RECVTOS, _IPV6_RECVTCLASS = 13, 66
_MSG_DONTWAIT, _MSG_TRUNC = 0x40, 0x20
_IP_TOS_AT, _IP_TTL_AT = 1, 8  # in the IPv4 header
_UNKNOWN_TOS = np.int16(-1)
# Of receive buffer, for an answer and a TX timestamp: two to four times what they take, since
# more may be sent before they are collected.
_PROBE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of n packets: `error` int32[n] is 0 or the errno of a packet that did not leave,
    `key` uint32[n] names its TX timestamp, `before_ns` is the wall clock before the call."""

    error: NDArray[np.int32]
    key: NDArray[np.uint32]
    before_ns: int


@dataclass(frozen=True, slots=True)
class Received:
    """n packets, as views into the ring: valid until the socket receives again.

    `payload` uint8[n, payload_bytes] of which `length` int64[n] bytes are the packet (cut to the
    ring's width: `truncated`), `timestamp_ns` int64[n] wall nanoseconds of arrival,
    `timestamp_kind` uint8[n] (USER_TIMESTAMP where the kernel gave none), `ttl` uint8[n] (0 where
    unknown), `tos` int16[n] (DSCP and ECN as they are in the IP header, -1 where unknown),
    `address` uint8[n, 28] (sockaddr of the sender), `destination` uint8[n, 16] the local address
    that was asked, if the socket tells it.
    """

    payload: NDArray[np.uint8]
    length: NDArray[np.int64]
    timestamp_ns: NDArray[np.int64]
    timestamp_kind: NDArray[np.uint8]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.int16]
    address: NDArray[np.uint8]
    truncated: NDArray[np.bool_]
    destination: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.length)

    def taken(self, row: NDArray[np.intp]) -> Received:
        """Return copies of the packets numbered by `row`, which stay valid."""
        return Received(*(getattr(self, name)[row] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class OnePacket:
    """A packet that was received, as bytes; fields as in `Received`. `destination` has 4 or 16
    bytes, none where the socket does not tell it."""

    payload: bytes
    address: bytes
    timestamp_ns: int
    ttl: int
    tos: int
    destination: bytes
    truncated: bool


class BatchSocket:
    """A datagram or raw socket served in batches; owns `sock` and closes it.

    Fill rows of `rings.send` (`payload`, `length`, `address`), then `send(count)`. The kernel
    timestamps the departure of every packet, or with `timestamps_on_request` of those that `send`
    is told of; timestamps must be collected with `tx_timestamps()` after each send: an undrained
    error queue eats the receive buffer. With `tells_destination` a packet that is received comes
    with the local address it was sent to, for sockets bound to none. `with_ip_header` tells that
    packets begin with an IPv4 header, as those of raw sockets do. Not safe for use by two threads.
    """

    def __init__(
        self,
        sock: socket.socket,
        capacity: int = 256,
        payload_bytes: int = 1536,
        *,
        timestamps_on_request: bool = False,
        tells_destination: bool = False,
        with_ip_header: bool = False,
        rings: Rings | None = None,
    ) -> None:
        self.sock = sock
        self._with_ip_header = with_ip_header
        self.rings = rings or Rings.of(capacity, payload_bytes)
        self.overflowed = 0  # packets this socket lost because its receive buffer was full
        self._fd = sock.fileno()
        sock.setblocking(False)
        self.error_queue = ErrorQueue(sock, self.rings.timestamps, on_request=timestamps_on_request)
        self._ask_for_details()
        if tells_destination:
            self._ask_for_destination()

    def _ask_for_details(self) -> None:
        """Ask for TTL, DSCP and overflow counts; each may be missing without harm."""
        self._tells_tos = self._with_ip_header
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, control.SO_RXQ_OVFL, 1)
        with contextlib.suppress(OSError):
            if self.sock.family == socket.AF_INET6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            elif not self._with_ip_header:  # which says both for less
                self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        with contextlib.suppress(OSError):
            if self.sock.family == socket.AF_INET6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVTCLASS, 1)
            elif not self._with_ip_header:
                self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
            self._tells_tos = True

    def ask_for_icmp_errors(self) -> None:
        """Have ICMP errors about our packets told (`take_icmp_errors`), and drops of our own
        queues.

        Without IP_RECVERR the kernel keeps from us that a queueing discipline dropped a packet.
        """
        with contextlib.suppress(OSError):
            if self.sock.family == socket.AF_INET6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, control.IPV6_RECVERR, 1)
            else:
                self.sock.setsockopt(socket.IPPROTO_IP, control.IP_RECVERR, 1)

    def drops(self) -> int:
        """Return how many packets the kernel has dropped at this socket, full buffers above all."""
        try:
            said = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        except OSError:
            return self.overflowed
        return int(struct.unpack("=9I", said)[8])

    def _ask_for_destination(self) -> None:
        """Ask for the local address of each packet. An IPv6 socket tells mapped IPv4 ones too."""
        if self.sock.family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, control.IP_PKTINFO, 1)

    def room(self) -> int:
        """Return how many probes' answers and timestamps may wait in the receive buffer."""
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // _PROBE_BYTES

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._fd

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def send(
        self,
        count: int,
        just_before: Callable[[], None] | None = None,
        *,
        timestamped: NDArray[np.bool_] | None = None,
        source: NDArray[np.uint8] | None = None,
        tos: NDArray[np.uint8] | None = None,
    ) -> SendResult:
        """Send the first `count` rows of the send ring; a packet that fails stops no other.

        `just_before` is called when all else is ready, to write what must be as late as can be.
        `timestamped` bool[count] tells which queue are to be timestamped (`timestamps_on_request`);
        `source` uint8[count, 16] is the local address each packet shall leave from, `tos`
        uint8[count] its DSCP and ECN; absent, those of the socket.
        """
        ring, queue = self.rings.send, self.error_queue
        key = queue.next_keys(count, timestamped)
        self._write_control(ring, key, timestamped, source, tos)
        before_ns = time.time_ns()
        if just_before is not None:
            just_before()
        error = ring.send(self._fd, count)
        if error.any() and queue.has_tx_timestamps and not queue.chooses_keys:
            key = queue.renumber(key, error, timestamped)
        return SendResult(error, key, before_ns)

    def _write_control(
        self,
        ring: Ring,
        key: NDArray[np.uint32],
        timestamped: NDArray[np.bool_] | None,
        source: NDArray[np.uint8] | None,
        tos: NDArray[np.uint8] | None,
    ) -> None:
        """Write the control messages of a batch into the first rows."""
        keys = self.error_queue.chooses_keys
        asks = self.error_queue.has_tx_timestamps and timestamped is not None
        family = self.sock.family
        layout = (family, keys, asks, source is not None, tos is not None)
        count = len(key)
        if ring.layout[0] != layout or ring.layout[1] < count:
            _lay_out(ring, count, *layout)
            ring.layout = layout, count
        rows, at = ring.control[:count], 0
        if source is not None:
            at = control.put_source(rows, at, family, source)
        if tos is not None:
            control.put_word(rows, at, tos)
            at += control.WORD_BYTES
        if asks and timestamped is not None:  # only packets to be timestamped carry it, and a key
            end = at + control.WORD_BYTES * (1 + keys)
            ring.messages["controllen"][:count] = np.where(timestamped, end, at)
            at += control.WORD_BYTES
        if keys:
            control.put_word(rows, at, key)

    def send_one(
        self,
        packet: bytes | bytearray,
        address: tuple[Any, ...],
        source: bytes,
        just_before: Callable[[], None],
        tos: int = 0,
    ) -> tuple[int, int]:
        """Send one packet and have its departure timestamped; return (errno or 0, its key).

        `address` as Python's sockets have them, `source` the local address to leave from, or empty;
        `just_before` as for `send`; `tos` 0 is what the socket sends with.
        """
        queue = self.error_queue
        key = queue.next_key()
        messages: list[tuple[int, int, bytes]] = []
        if queue.chooses_keys:
            messages.append((control.SOL_SOCKET, control.SCM_TS_OPT_ID, struct.pack("=I", key)))
        if queue.has_tx_timestamps:
            messages.append((control.SOL_SOCKET, control.SO_TIMESTAMPING, _ASK))
        if source:
            messages.append(control.source_message(self.sock.family, source))
        if tos:
            messages.append(control.tos_message(self.sock.family, tos))
        just_before()
        try:
            self.sock.sendmsg([packet], messages, _MSG_DONTWAIT, address)
        except OSError as error:
            number = error.errno or errno.EIO
            if queue.has_tx_timestamps and not queue.chooses_keys:
                queue.renumber(
                    np.array([key], np.uint32), np.array([number], np.int32), np.ones(1, np.bool_)
                )
            return number, key
        return 0, key

    def receive(self) -> Received:
        """Return up to a ring's capacity of packets that have arrived; never waits."""
        return self.read_batch(self.take_in())

    def take_in(self) -> int:
        """Take up to a ring's capacity of packets from the kernel; return how many came."""
        return self.rings.receive.receive(self._fd, 0)

    def read_batch(self, count: int) -> Received:
        """Read the `count` packets that were taken in."""
        ring = self.rings.receive
        messages = ring.messages[:count]
        said = control.read_control(ring.control[:count], messages["controllen"])
        if count and said.dropped[-1]:
            self.overflowed = int(said.dropped.max())
        timestamp_ns, kind = said.software_ns, np.full(count, KERNEL_TIMESTAMP, np.uint8)
        if not timestamp_ns.all():
            kind[timestamp_ns == 0] = USER_TIMESTAMP
            timestamp_ns = _or_now(timestamp_ns)
        tos = ring.payload[:count, _IP_TOS_AT] if self._with_ip_header else said.tos
        known = tos.astype(np.int16) if self._tells_tos else np.full(count, _UNKNOWN_TOS)
        # A copy, since the ring is filled again while probes still wait for their end.
        ttl = ring.payload[:count, _IP_TTL_AT].copy() if self._with_ip_header else said.ttl
        return Received(
            payload=ring.payload[:count],
            length=messages["length"].astype(np.int64),
            timestamp_ns=timestamp_ns,
            timestamp_kind=kind,
            ttl=ttl,
            tos=known,
            address=ring.address[:count],
            truncated=(messages["flags"] & _MSG_TRUNC) != 0,
            destination=said.destination,
        )

    def read_row(self, row: int) -> OnePacket:
        """Read one of the packets that were taken in."""
        ring = self.rings.receive
        name_bytes, control_bytes, flags, length = ring.read_header(row)
        said = control.read_messages(ring.control[row, :control_bytes].tobytes())
        if said.dropped:
            self.overflowed = said.dropped
        return OnePacket(
            payload=ring.payload[row, :length].tobytes(),
            address=ring.address[row, :name_bytes].tobytes(),
            timestamp_ns=said.software_ns or time.time_ns(),
            ttl=said.ttl,
            tos=said.tos,
            destination=said.destination,
            truncated=bool(flags & _MSG_TRUNC),
        )


_ASK = struct.pack("=I", TX_SOFTWARE)


def _lay_out(
    ring: Ring, count: int, family: int, keys: bool, asks: bool, source: bool, tos: bool
) -> None:
    """Write what does not change from batch to batch into the first rows of a ring that sends."""
    rows, messages, end = ring.control[:count], ring.messages[:count], 0
    if source:
        end = control.lay_source(rows, end, family)
    if tos:
        end += control.lay_tos(rows, end, family)
    if asks:
        end += control.lay_word(rows, end, control.SO_TIMESTAMPING, TX_SOFTWARE)
    if keys:
        end += control.lay_word(rows, end, control.SCM_TS_OPT_ID)
    messages["controllen"] = end
    messages["namelen"] = 16 if family == socket.AF_INET else ADDRESS_BYTES


def _or_now(timestamp_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace absent timestamps by the wall clock of this moment."""
    return np.where(timestamp_ns == 0, time.time_ns(), timestamp_ns)
