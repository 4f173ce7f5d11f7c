"""Whole Ethernet frames in batches: AF_PACKET sockets, timestamped by the kernel.

One socket receives from every interface of the namespace it was made in, another sends to any of
them. The sender's own frames do not come back. A batch is one system call; its frames are taken
apart one by one without numpy, whose fixed cost of a call is that of twenty frames and more: the
lab's WAN carries a thousand frames a second, and they come alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _PACKET_QDISC_BYPASS = 263, 23, 20
_PACKET_STATISTICS, _PACKET_TX_TIMESTAMP = 6, 16
_SO_TIMESTAMPING, _SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 37, 33, 32
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE, _OPT_ID, _OPT_TSONLY = 2, 8, 16, 128, 2048
_TRANSMIT_FLAGS = _TX_SOFTWARE | _SOFTWARE | _OPT_ID | _OPT_TSONLY
_MSG_DONTWAIT, _MSG_ERRQUEUE = 0x40, 0x2000
_ETH_P_ALL = 3
_BUFFER_BYTES = 8 << 20
_CONTROL_BYTES = 128
_TIMESTAMP_BYTES = 64  # cmsghdr and three struct timespec: what is there if the kernel timestamped
_NS = 1_000_000_000

# struct mmsghdr: name, its length, iov, their number, control, its length, flags; bytes received.
_MESSAGE = struct.Struct("=QIxxxxQQQQixxxxIxxxx")
_CONTROLLEN_AT, _RECEIVED_AT = 40, 56
_VECTOR = struct.Struct("=QQ")  # struct iovec
_LINK = struct.Struct("=HHiHBB8s")  # struct sockaddr_ll
_INTERFACE_AT = 4
_SECONDS = struct.Struct("=qq")  # struct timespec
_INT, _LONG = struct.Struct("=I"), struct.Struct("=Q")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_libc.recvmmsg.argtypes = [*_libc.sendmmsg.argtypes, ctypes.c_void_p]


class Frame(NamedTuple):
    """One frame that came in: its bytes, and when (wall nanoseconds of the kernel, 0: none)."""

    octets: bytearray
    timestamp_ns: int


class TxTimestamp(NamedTuple):
    """When frame number `number` left, in wall nanoseconds of the kernel."""

    number: int
    left_ns: int


def _at(memory: bytearray) -> int:
    """Return the address of memory that must survive its use by the kernel."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _enlarge(sock: socket.socket, forced: int, ordinary: int) -> None:
    """Ask for a large buffer, beyond the system's limit where that is permitted."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, ordinary, _BUFFER_BYTES)


class _Messages:
    """Memory for a batch of `capacity` frames of at most `width` octets, and its headers."""

    def __init__(self, capacity: int, width: int, *, control_bytes: int, named: bool) -> None:
        self.capacity, self.width = capacity, width
        self.payload = bytearray(capacity * width)
        self.control = bytearray(capacity * max(control_bytes, 1))
        self.names = bytearray(_LINK.pack(socket.AF_PACKET, 0, 0, 0, 0, 0, b"") * capacity)
        self.vectors = bytearray(_VECTOR.size * capacity)
        self.headers = bytearray(_MESSAGE.size * capacity)
        vectors, names, control = _at(self.vectors), _at(self.names), _at(self.control)
        payload = _at(self.payload)
        for i in range(capacity):
            _VECTOR.pack_into(self.vectors, _VECTOR.size * i, payload + width * i, width)
            _MESSAGE.pack_into(
                self.headers,
                _MESSAGE.size * i,
                names + _LINK.size * i if named else 0,
                _LINK.size if named else 0,
                vectors + _VECTOR.size * i,
                1,
                control + control_bytes * i if control_bytes else 0,
                control_bytes,
                0,
                0,
            )
        self.where = _at(self.headers)
        self._ready = bytes(self.headers)
        self._used = 0

    def receive(self, fd: int, flags: int) -> int:
        """Fill the batch from a socket without waiting; return how many came."""
        used = _MESSAGE.size * self._used
        self.headers[:used] = self._ready[:used]  # the kernel has written into them
        count = int(_libc.recvmmsg(fd, self.where, self.capacity, flags | _MSG_DONTWAIT, None))
        self._used = max(count, 0)
        return self._used

    def timestamped(self, i: int) -> bool:
        """Return whether the kernel said when message i came or left."""
        said: int = _LONG.unpack_from(self.headers, _MESSAGE.size * i + _CONTROLLEN_AT)[0]
        return said >= _TIMESTAMP_BYTES


class FrameReceiver:
    """Receives every frame that comes in by any interface of this namespace."""

    def __init__(self, capacity: int, width: int) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self.sock.setblocking(False)
        self.sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE | _SOFTWARE)
        _enlarge(self.sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
        self._batch = _Messages(capacity, width, control_bytes=_CONTROL_BYTES, named=False)
        self._fd = self.sock.fileno()

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._fd

    def receive(self) -> Iterator[Frame]:
        """Yield the frames that are there, a batch at most; never waits."""
        batch = self._batch
        for i in range(batch.receive(self._fd, 0)):
            length = _INT.unpack_from(batch.headers, _MESSAGE.size * i + _RECEIVED_AT)[0]
            timestamp_ns = 0
            if batch.timestamped(i):
                seconds, ns = _SECONDS.unpack_from(batch.control, _CONTROL_BYTES * i + 16)
                timestamp_ns = seconds * _NS + ns
            start = batch.width * i
            yield Frame(batch.payload[start : start + length], timestamp_ns)

    def dropped(self) -> int:
        """Return how many frames the kernel dropped since the last call (buffer full)."""
        statistics = self.sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int.from_bytes(statistics[4:8], "little")

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class FrameSender:
    """Sends frames to any interface, and learns from the kernel when each one left."""

    def __init__(self, capacity: int, width: int) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setblocking(False)
        with contextlib.suppress(OSError):
            self.sock.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        _enlarge(self.sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        _enlarge(self.sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)  # the timestamps are charged to it
        self._fd = self.sock.fileno()
        self._batch = _Messages(capacity, width, control_bytes=0, named=True)
        self._timestamps = _Messages(capacity, 64, control_bytes=_CONTROL_BYTES, named=False)
        self._base = 0  # our number of the frame that the kernel calls 0
        self.sent = 0  # our number of the next frame
        self.timestamps = self._renumber()

    def _renumber(self) -> bool:
        """Start the kernel's numbering of timestamps at 0; return whether it will timestamp
        at all.
        """
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE)
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TRANSMIT_FLAGS)
        except OSError:
            return False
        self._base = self.sent
        return True

    def send(self, frames: Sequence[tuple[bytearray, int]]) -> list[int]:
        """Send (frame, interface index) pairs; return each one's number, -1 if it did not leave.

        At most the capacity. A frame that the kernel refuses stops no other.
        """
        batch = self._batch
        for i, (octets, interface) in enumerate(frames):
            start = batch.width * i
            batch.payload[start : start + len(octets)] = octets
            _LONG.pack_into(batch.vectors, _VECTOR.size * i + 8, len(octets))
            _INT.pack_into(batch.names, _LINK.size * i + _INTERFACE_AT, interface)
        refused = self._send_all(len(frames))
        numbers = []
        for i in range(len(frames)):
            left = i not in refused
            numbers.append(self.sent if left else -1)
            self.sent += left
        if refused:
            # Kernels differ in whether a refused frame uses up a number
            # (docs/concepts/measurement.md §3.4): the timestamps under way are given up and the
            # numbering starts afresh.
            while self.tx_timestamps():
                pass
            self.timestamps = self._renumber()
        return numbers

    def _send_all(self, count: int) -> set[int]:
        done, refused = 0, set()
        while done < count:
            where = self._batch.where + _MESSAGE.size * done
            sent = int(_libc.sendmmsg(self._fd, where, count - done, _MSG_DONTWAIT))
            if sent > 0:
                done += sent
            elif ctypes.get_errno() != errno.EINTR:
                refused.add(done)
                done += 1
        return refused

    def tx_timestamps(self) -> list[TxTimestamp]:
        """Return frames that have left since the last call, a batch at most; never waits."""
        batch, found = self._timestamps, []
        for i in range(batch.receive(self._fd, _MSG_ERRQUEUE)):
            start = _CONTROL_BYTES * i
            level, kind = struct.unpack_from("=II", batch.control, start + 72)
            if batch.timestamped(i) and (level, kind) == (_SOL_PACKET, _PACKET_TX_TIMESTAMP):
                seconds, ns = _SECONDS.unpack_from(batch.control, start + 16)
                number = _INT.unpack_from(batch.control, start + 92)[0]
                found.append(TxTimestamp(number + self._base, seconds * _NS + ns))
        return found

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
