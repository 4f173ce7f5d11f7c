"""TCP probes without rights: connect(), and the kernel's own measure of the handshake.

For an open port the round trip is what TCP_INFO says of the handshake (microseconds, by the
kernel's clock; of a connection just opened the smoothed value is its only sample). For a closed one
it ends when the ICMP error or RST arrives: a user-space timestamp, and labelled so. A handshake
whose SYN was sent again took a second or more and is late (`probes.protocols.tcp.segments`). The
connection is ended with RST at once. Every probe has its own source port, so its path among
equal ones is not fixed.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.addresses import ADDRESS_BYTES, socket_address, split_source, unpack_address
from probes.channels.channel import Channel, FlowMark, ProbeIcmpErrors, Replies
from probes.channels.codec import ANSWER_CLOSED, ANSWER_OPEN, Outgoing
from probes.channels.discarded import Discarded
from probes.sockets import control
from probes.sockets.batch import SendResult
from probes.sockets.descriptors import new_socket
from probes.sockets.error_queue import KERNEL_TIMESTAMP, USER_TIMESTAMP, TxTimestamps

_MOST_WAITING = 512  # connections being opened at once
_FORGET_NS = 2_000_000_000
_TCP_INFO_BYTES = 144
_RTT_AT, _RETRANSMITTED_AT, _SEGMENTS_IN_AT = 68, 100, 140  # in struct tcp_info
_MSG_ERRQUEUE, _CONTROL_BYTES = 0x2000, 128
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger


@dataclass(slots=True)
class _Waiting:
    """One connection being opened."""

    sock: socket.socket
    session: int
    sequence: int
    sent_wall_ns: int
    sent_ns: int  # monotonic


class _Sockets:
    """The part of a batch socket that an engine asks of every channel."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.overflowed = 0

    def room(self) -> int:
        """Return how many handshakes may be under way."""
        return _MOST_WAITING

    def fileno(self) -> int:
        """Return a descriptor that is readable while any connection has an answer."""
        return self.epoll.fileno()


class ConnectChannel(Channel):
    """Stands in for a batch channel of SYNs where raw sockets are not allowed.

    A source that is gone needs no care: connect() binds again for each probe.
    """

    capacity = _MOST_WAITING
    flow_mark = FlowMark()
    timestamps_when_read = True  # what refuses a connection is timestamped by us

    def __init__(self, number: int, family: int, source: str | None, dscp: int) -> None:
        self.number = number
        self.socket: _Sockets = _Sockets()
        self._family, self._dscp = family, dscp
        self._source, self._interface = split_source(source)
        self._waiting: dict[int, _Waiting] = {}
        self._key = 0
        self._timestamps: list[tuple[int, int, int]] = []  # row, key, wall time of connect()
        self._refused: list[
            tuple[int, int, int, int, bytes]
        ] = []  # session, sequence, what ICMP said

    def close(self) -> None:
        """Give up all connections."""
        for waiting in self._waiting.values():
            waiting.sock.close()
        self._waiting.clear()
        self.socket.epoll.close()

    def set_peers(self, session: NDArray[np.int64], address: NDArray[np.uint8]) -> None:
        """Nothing: a connection knows its peer."""

    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Nothing: a handshake has no key."""

    def use_addresses(self, port: NDArray[np.uint16], address_sum: NDArray[np.uint64]) -> None:
        """Nothing: the kernel writes the segments."""

    def send(
        self, probes: Outgoing, addresses: NDArray[np.uint8], row: NDArray[np.int64]
    ) -> tuple[SendResult, NDArray[np.uint64]]:
        """Begin handshakes; `addresses` has the sockaddr of every session."""
        self._forget_old()
        error = np.zeros(len(row), np.int32)
        key = (self._key + np.arange(len(row))).astype(np.uint32)
        self._key = (self._key + len(row)) & 0xFFFFFFFF
        before_ns = time.time_ns()
        for place in range(len(row)):
            sent_ns = time.time_ns()
            session = int(probes.session[place])
            probe = session, int(probes.sequence[place]), sent_ns
            error[place] = self._connect(unpack_address(addresses[session].tobytes()), probe)
            if not error[place]:
                self._timestamps.append((int(row[place]), int(key[place]), sent_ns))
        return SendResult(error, key, before_ns), np.zeros(len(row), np.uint64)

    def _connect(self, where: tuple[Any, ...], probe: tuple[int, int, int]) -> int:
        """Begin the handshake of (session, sequence, wall time); return 0, or an errno if the
        probe could not leave."""
        try:
            kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
            sock = new_socket(self._family, kind, interface=self._interface)
        except OSError as error:
            return error.errno or errno.EMFILE
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            if self._family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self._dscp << 2)
                sock.setsockopt(socket.IPPROTO_IP, control.IP_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, control.IPV6_RECVERR, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self._dscp << 2)
            if self._source:
                sock.bind(socket_address(self._source))
            number = sock.connect_ex(where)
        except OSError as error:
            sock.close()
            return error.errno or errno.EINVAL
        if number not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
            sock.close()
            return number
        self._waiting[sock.fileno()] = _Waiting(sock, *probe, time.monotonic_ns())
        self.socket.epoll.register(sock.fileno(), select.EPOLLOUT)
        return 0

    def receive(self) -> Replies | None:
        """Return the handshakes that have ended."""
        ended = [self._ended(fd) for fd, _ in self.socket.epoll.poll(0, _MOST_WAITING)]
        answers = [one for one in ended if one is not None]
        if not answers:
            return None
        session, sequence, timestamp_ns, kind, answer = zip(*answers, strict=True)
        return Replies(
            session=np.array(session, np.int64),
            low_sequence=np.array(sequence, np.int64) & 0xFFFFFFFF,
            sequence_bits=32,
            check=np.zeros(len(answers), np.uint64),
            timestamp_ns=np.array(timestamp_ns, np.int64),
            timestamp_kind=np.array(kind, np.uint8),
            ttl=np.zeros(len(answers), np.uint8),
            tos=np.full(len(answers), -1, np.int16),
            answer=np.array(answer, np.uint8),
            reflector=None,
            ring_was_full=False,
            asks_follow_up=False,
        )

    def _ended(self, fd: int) -> tuple[int, int, int, int, int] | None:
        """Return (session, sequence, timestamp, its kind, answer); None where nobody answered."""
        now_ns = time.time_ns()
        waiting = self._waiting.pop(fd)
        number = waiting.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        info = waiting.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        said = _icmp_error(waiting.sock) if number else (0, 0, b"")
        waiting.sock.close()  # which takes it out of the epoll set
        (segments_in,) = struct.unpack_from(
            "=I", info.ljust(_TCP_INFO_BYTES, b"\0"), _SEGMENTS_IN_AT
        )
        # An ICMP error ends a handshake with the same errno as the RST that is the target's answer.
        if number == errno.ECONNREFUSED and segments_in and not said[0]:
            return waiting.session, waiting.sequence, now_ns, USER_TIMESTAMP, ANSWER_CLOSED
        if number:
            self._refused.append((waiting.session, waiting.sequence, said[0] or number, *said[1:]))
            return None
        (rtt_us,) = struct.unpack_from("=I", info, _RTT_AT)
        (retransmitted,) = struct.unpack_from("=I", info, _RETRANSMITTED_AT)
        arrived_ns = now_ns if retransmitted else waiting.sent_wall_ns + rtt_us * 1000
        return waiting.session, waiting.sequence, arrived_ns, KERNEL_TIMESTAMP, ANSWER_OPEN

    def _forget_old(self) -> None:
        """Close connections whose answers nobody waits for any more.

        Not those that have one: it has waited for us, since this process stood still.
        """
        limit_ns = time.monotonic_ns() - _FORGET_NS
        old = {fd for fd, one in self._waiting.items() if one.sent_ns < limit_ns}
        if old:
            old -= {fd for fd, _ in self.socket.epoll.poll(0, _MOST_WAITING)}
        for fd in old:
            self._waiting.pop(fd).sock.close()

    def tx_timestamps(self) -> tuple[NDArray[np.int64], TxTimestamps]:
        """Return when each handshake was begun: the moment the kernel's round trip counts from."""
        taken, self._timestamps = self._timestamps, []
        row, key, timestamp_ns = np.array(taken, np.int64).reshape(-1, 3).T
        return row, TxTimestamps(key.astype(np.uint32), timestamp_ns)

    def more_timestamps(self, just_read: int) -> bool:
        """No: all are returned at once."""
        return just_read < 0

    def icmp_errors(self) -> Iterator[ProbeIcmpErrors]:
        """Yield the handshakes that ICMP errors ended."""
        taken, self._refused = self._refused, []
        if not taken:
            return
        session, sequence, error, word, by = zip(*taken, strict=True)
        offender = b"".join(each.ljust(ADDRESS_BYTES, b"\0") for each in by)
        yield ProbeIcmpErrors(
            session=np.array(session, np.int64),
            low_sequence=np.array(sequence, np.int64) & 0xFFFFFFFF,
            sequence_bits=32,
            numbered=np.ones(len(taken), np.bool_),
            error=np.array(error, np.int32),
            word=np.array(word, np.uint32),
            offender=np.frombuffer(offender, np.uint8).reshape(-1, ADDRESS_BYTES),
        )

    def take_discarded(self) -> list[Discarded]:
        """Nothing: the kernel reads what answers."""
        return []

    def sessions(self) -> NDArray[np.int64]:
        """Nothing that answers are to be looked for in."""
        return np.zeros(0, np.int64)

    def claim_dropped(
        self, sent_ns: NDArray[np.int64], now_ns: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """None: a handshake's answer needs no receive buffer."""
        none = np.flatnonzero(sent_ns > max(now_ns, int(sent_ns.max(initial=0))))
        return none, none


def _icmp_error(sock: socket.socket) -> tuple[int, int, bytes]:
    """Return what ICMP said of a connection, as `control.read_icmp_error`: Linux 5.18 tells it."""
    with contextlib.suppress(OSError):
        messages = sock.recvmsg(0, _CONTROL_BYTES, _MSG_ERRQUEUE)[1]
        return control.read_icmp_error(messages)
    return 0, 0, b""
