"""Whole Ethernet frames in batches: AF_PACKET sockets over numpy memory, stamped by the kernel.

One socket receives from every interface of the namespace it was made in, another sends to any of
them; both use the rings of probes.ring. The sender's own frames do not come back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.ring import Ring

_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _PACKET_QDISC_BYPASS = 263, 23, 20
_PACKET_TX_TIMESTAMP = 16
_SO_TIMESTAMPING, _SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 37, 33, 32
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE, _OPT_ID, _OPT_TSONLY = 2, 8, 16, 128, 2048
_TRANSMIT_FLAGS = _TX_SOFTWARE | _SOFTWARE | _OPT_ID | _OPT_TSONLY
_MSG_DONTWAIT, _MSG_ERRQUEUE = 0x40, 0x2000
_ETH_P_ALL = 3
_BUFFER_BYTES = 8 << 20
_CONTROL_BYTES = 128
_SOCKADDR_LL_BYTES = 20
_NS = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


def _enlarge(sock: socket.socket, forced: int, ordinary: int) -> None:
    """Ask for a large buffer, beyond the system's limit where that is permitted."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, ordinary, _BUFFER_BYTES)


@dataclass(frozen=True, slots=True)
class Frames:
    """n frames, as views into the ring: valid until the socket receives again.

    `frame` uint8[n, width], `length` int64[n], `stamp_ns` int64[n] (wall clock, by the kernel;
    0 where it gave none), `interface` int32[n] (index it came in by).
    """

    frame: NDArray[np.uint8]
    length: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    interface: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.length)


class FrameReceiver:
    """Receives every frame that comes in by any interface of this namespace."""

    def __init__(self, capacity: int, width: int) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self.sock.setblocking(False)
        self.sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE | _SOFTWARE)
        _enlarge(self.sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
        self._ring = Ring(capacity, width, _CONTROL_BYTES)
        self._control = self._ring.control.view("<i8")
        self._interface = self._ring.address[:, 4:8].view("<i4")[:, 0]
        self._fd = self.sock.fileno()

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._fd

    def receive(self) -> Frames:
        """Return up to the ring's capacity of frames; never waits."""
        ring = self._ring
        count = ring.receive(self._fd, 0)
        stamped = ring.messages["controllen"][:count] >= 64
        said = self._control[:count]
        return Frames(
            frame=ring.payload[:count],
            length=ring.messages["length"][:count].astype(np.int64),
            stamp_ns=np.where(stamped, said[:, 2] * _NS + said[:, 3], 0),
            interface=self._interface[:count],
        )

    def dropped(self) -> int:
        """Return how many frames the kernel dropped since the last call (buffer full)."""
        statistics = self.sock.getsockopt(_SOL_PACKET, 6, 8)  # PACKET_STATISTICS
        return int.from_bytes(statistics[4:8], "little")

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class FrameSender:
    """Sends frames from rows of a pool, and learns from the kernel when each one left."""

    def __init__(self, capacity: int, pool: NDArray[np.uint8]) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setblocking(False)
        with contextlib.suppress(OSError):
            self.sock.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        _enlarge(self.sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        _enlarge(self.sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)  # the stamps are charged to it
        self._fd = self.sock.fileno()
        self._ring = Ring(capacity, 64, 0)
        self._ring.messages["namelen"] = _SOCKADDR_LL_BYTES
        self._ring.messages["controllen"] = 0
        self._ring.messages["control"] = 0
        self._ring.address[:, 0:2].view("<u2")[:, 0] = socket.AF_PACKET
        self._interface = self._ring.address[:, 4:8].view("<i4")[:, 0]
        self._vectors = self._vectors_of(capacity)
        self._pool_at = np.uint64(pool.ctypes.data)
        self._pool_width = np.uint64(pool.shape[1])
        self._stamps = Ring(capacity, 64, _CONTROL_BYTES)
        self._said = self._stamps.control.view("<i8")
        self._words = self._stamps.control.view("<u4")
        self._base = 0  # our number of the frame that the kernel calls 0
        self.sent = 0  # our number of the next frame
        self.stamps = self._renumber()

    def _vectors_of(self, capacity: int) -> NDArray[np.uint64]:
        vectors = np.zeros((capacity, 2), np.uint64)
        where = np.arange(capacity, dtype=np.uint64) * np.uint64(16)
        self._ring.messages["iov"] = where + np.uint64(vectors.ctypes.data)
        return vectors

    def _renumber(self) -> bool:
        """Start the kernel's numbering of stamps at 0; return whether it will stamp at all."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE)
            self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TRANSMIT_FLAGS)
        except OSError:
            return False
        self._base = self.sent
        return True

    def send(
        self, slot: NDArray[np.int64], length: NDArray[np.int64], interface: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Send the frames in pool rows `slot`; return the number of each, -1 if it did not leave.

        At most the ring's capacity. A frame that the kernel refuses stops no other.
        """
        count = len(slot)
        self._vectors[:count, 0] = slot.astype(np.uint64) * self._pool_width + self._pool_at
        self._vectors[:count, 1] = length
        self._interface[:count] = interface
        refused = self._send_all(count)
        left = np.ones(count, bool)
        left[refused] = False
        number = np.where(left, self.sent + np.cumsum(left) - 1, -1)
        self.sent += count - len(refused)
        if refused:
            # Kernels differ in whether a refused frame uses up a number (MEASUREMENT C.4): the
            # stamps under way are given up and the numbering starts afresh.
            while len(self.departures()[0]):
                pass
            self.stamps = self._renumber()
        return number

    def _send_all(self, count: int) -> list[int]:
        where = self._ring.messages.ctypes.data
        done, refused = 0, []
        while done < count:
            sent = int(_libc.sendmmsg(self._fd, where + 64 * done, count - done, _MSG_DONTWAIT))
            if sent > 0:
                done += sent
            elif ctypes.get_errno() != errno.EINTR:
                refused.append(done)
                done += 1
        return refused

    def departures(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (number, wall nanoseconds) of frames that have left; never waits."""
        count = self._stamps.receive(self._fd, _MSG_ERRQUEUE)
        words, said = self._words[:count], self._said[:count]
        good = (words[:, 18] == _SOL_PACKET) & (words[:, 19] == _PACKET_TX_TIMESTAMP)
        number = words[:, 23].astype(np.int64) + self._base
        return number[good], (said[:, 2] * _NS + said[:, 3])[good]

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
