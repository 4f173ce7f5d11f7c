"""Memory for batches of packets, laid out as sendmmsg(2) and recvmmsg(2) want it.

Linux, LP64, glibc. Everything is allocated once; packets are written and read in place, a column
at a time.
"""

from __future__ import annotations

import ctypes
import errno
import select
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.addresses import ADDRESS_BYTES

_MSG_DONTWAIT = 0x40
# timestamp 64 + error 64 (or destination 40) + overflow 24 + TTL 24 + DSCP 24, with room
_CONTROL_BYTES = 216
_SEND_CONTROL_BYTES = 112  # key 24 + what to timestamp 24 + source 40 + DSCP 24
_STAMP_PAYLOAD_BYTES = 64  # what is kept of a packet that an ICMP error quotes
_TELLINGS = 4  # pending ICMP errors that one call may have to hear of first
_MAY_BE_ICMP = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)
_ROOM_WAIT_MS = 5  # how long a full send buffer is waited for before the packet is a local drop

_MESSAGE = np.dtype(  # struct mmsghdr
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "length"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
_HEADER = struct.Struct("=8xI4x8x8x8xQi4xI")  # of it: namelen, controllen, flags, length
_VECTOR = np.dtype([("base", "<u8"), ("length", "<u8")])  # struct iovec

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_libc.recvmmsg.argtypes = [*_libc.sendmmsg.argtypes, ctypes.c_void_p]


def _rows_of(memory: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the address of every row of a 2-D byte array."""
    offset: NDArray[np.uint64] = np.arange(len(memory), dtype=np.uint64) * memory.shape[1]
    return offset + np.uint64(memory.ctypes.data)


class Ring:
    """Memory for `capacity` packets: payloads, addresses, control messages and their headers.

    `payload` uint8[capacity, payload_bytes], `address` uint8[capacity, 28] (sockaddr), `length`
    uint64[capacity]. Sockets that one thread serves in turn may share a ring. A ring `over` another
    has its payloads and addresses: what was received in a row is answered in that row.
    """

    def __init__(
        self, capacity: int, payload_bytes: int, control_bytes: int, over: Ring | None = None
    ) -> None:
        self.capacity = capacity
        if over is None:
            self.payload = np.zeros((capacity, payload_bytes), np.uint8)
            self.address = np.zeros((capacity, ADDRESS_BYTES), np.uint8)
        else:
            self.payload, self.address = over.payload, over.address
        self.control = np.zeros((capacity, control_bytes), np.uint8)
        self.messages = np.zeros(capacity, _MESSAGE)
        self._vectors = np.zeros(capacity, _VECTOR)
        self._vectors["base"] = _rows_of(self.payload)
        self._vectors["length"] = payload_bytes
        self.length = self._vectors["length"]
        self.messages["name"] = _rows_of(self.address)
        self.messages["namelen"] = ADDRESS_BYTES
        self.messages["iov"] = _rows_of(self._vectors.view(np.uint8).reshape(capacity, -1))
        self.messages["iovlen"] = 1
        self.messages["control"] = _rows_of(self.control)
        self.messages["controllen"] = control_bytes
        # How headers and control messages of the first rows are laid out, and of how many.
        self.layout: tuple[object, int] = (None, 0)
        self._where = int(self.messages.ctypes.data)
        self._headers = self.messages.view(np.uint8).data
        self._used = 0

    def make_ready(self) -> None:
        """Restore the header fields that the kernel overwrote when it last received here."""
        if self._used:
            used = self.messages[: self._used]
            used["namelen"] = ADDRESS_BYTES
            used["controllen"] = self.control.shape[1]
            used["flags"] = 0
            self._used = 0

    def receive(self, fd: int, flags: int) -> int:
        """Fill the ring from a socket without waiting; return how many packets came."""
        self.make_ready()
        refused = 0
        while True:
            count = int(_libc.recvmmsg(fd, self._where, self.capacity, flags | _MSG_DONTWAIT, None))
            if count >= 0:
                self._used = count
                return count
            if ctypes.get_errno() in (errno.EAGAIN, errno.EWOULDBLOCK):
                return 0
            if ctypes.get_errno() != errno.EINTR:
                # A pending ICMP error of an earlier packet; telling it has cleared it.
                refused += 1
                if refused > _TELLINGS:
                    return 0

    def read_header(self, row: int) -> tuple[int, int, int, int]:
        """Return (bytes of address, of control messages, flags, bytes of packet) of one row."""
        header: tuple[int, int, int, int] = _HEADER.unpack_from(
            self._headers, row * _MESSAGE.itemsize
        )
        return header

    def send(self, fd: int, count: int) -> NDArray[np.int32]:
        """Hand the first `count` rows to the kernel; return the errno of each it will not take.

        sendmmsg stops at the first refused packet and tells its errno only when called again with
        it. Pending ICMP errors of earlier packets may be reported instead; telling one clears it,
        so a refusal that may be such counts as the packet's own only when it keeps coming.
        """
        error = np.zeros(count, np.int32)
        done, refused = 0, 0
        while done < count:
            where = self._where + _MESSAGE.itemsize * done
            sent = int(_libc.sendmmsg(fd, where, count - done, _MSG_DONTWAIT))
            if sent > 0:
                done, refused = done + sent, 0
                continue
            number = ctypes.get_errno()
            if number == errno.EINTR:
                continue
            refused += 1
            if refused == 1:
                if number in (errno.EAGAIN, errno.EWOULDBLOCK):
                    _wait_for_room(fd)
                continue
            if number in _MAY_BE_ICMP and refused <= _TELLINGS:
                continue
            error[done] = errno.ENOBUFS if number == errno.EAGAIN else number
            done, refused = done + 1, 0
        return error


def _wait_for_room(fd: int) -> None:
    """Wait a little until the send buffer has room again."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(_ROOM_WAIT_MS)


@dataclass(slots=True)
class Rings:
    """The three rings a batch socket works in."""

    send: Ring
    receive: Ring
    timestamps: Ring

    @staticmethod
    def of(capacity: int, payload_bytes: int, *, in_place: bool = False) -> Rings:
        """Return rings for batches of `capacity` packets of at most `payload_bytes`.

        With `in_place` the rows that are sent are those that were received.
        """
        receive = Ring(capacity, payload_bytes, _CONTROL_BYTES)
        over = receive if in_place else None
        return Rings(
            send=Ring(capacity, payload_bytes, _SEND_CONTROL_BYTES, over),
            receive=receive,
            timestamps=Ring(capacity, _STAMP_PAYLOAD_BYTES, _CONTROL_BYTES),
        )
