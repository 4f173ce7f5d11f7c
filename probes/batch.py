"""Datagram sockets in batches: sendmmsg and recvmmsg over numpy memory, with kernel timestamps.

The caller writes packets into the rows of a ring, in place, and sends them with one system call;
received packets are rows of a ring, valid until the next call. Transmit timestamps come back
through the socket's error queue, each under the key of its packet. Linux, LP64, glibc.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes import control

ADDRESS_BYTES = 28  # sockaddr_in6, the longer of the two
STAMP_USER, STAMP_KERNEL, STAMP_HARDWARE = 1, 2, 3  # indices into window.STAMPING

# SO_TIMESTAMPING (linux/net_tstamp.h): generation and reporting bits.
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE = 1 << 1, 1 << 3, 1 << 4
_OPT_ID, _OPT_TSONLY = 1 << 7, 1 << 11
_RECEIVE_FLAGS = _RX_SOFTWARE | _SOFTWARE
_TRANSMIT_FLAGS = _RECEIVE_FLAGS | _TX_SOFTWARE | _OPT_ID | _OPT_TSONLY

_SO_MEMINFO = 55
_IP_RECVTTL, _IPV6_RECVHOPLIMIT, _IPV6_RECVPKTINFO = 12, 51, 49
_MSG_DONTWAIT, _MSG_ERRQUEUE, _MSG_TRUNC = 0x40, 0x2000, 0x20
_CONTROL_BYTES = 192  # stamp 64 + error 64 (or destination 40) + overflow 24 + TTL 24, with room
_WORD_BYTES = 24  # a sent control message of one 32-bit word
_SEND_CONTROL_BYTES = 88  # key 24 + what to stamp 24 + source 40
_TELLINGS = 4  # pending ICMP errors that one call may have to hear of first
_MAY_BE_ICMP = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)
_MOST_REFUSALS = 64  # batches of ICMP errors kept for the owner
_ROOM_WAIT_MS = 5  # how long a full send buffer is waited for before the packet is a local drop

_MESSAGE = np.dtype(  # struct mmsghdr
    {
        "names": ["name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "length"],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
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
    uint64[capacity]. Sockets that one thread serves in turn may share a ring.
    """

    def __init__(self, capacity: int, payload_bytes: int, control_bytes: int) -> None:
        self.capacity = capacity
        self.payload = np.zeros((capacity, payload_bytes), np.uint8)
        self.address = np.zeros((capacity, ADDRESS_BYTES), np.uint8)
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
        self._used = 0

    def make_ready(self) -> None:
        """Restore the header fields that the kernel overwrote when it last received here."""
        used = self.messages[: self._used]
        used["namelen"] = ADDRESS_BYTES
        used["controllen"] = self.control.shape[1]
        used["flags"] = 0
        self._used = 0

    def receive(self, fd: int, flags: int) -> int:
        """Fill the ring from a socket without waiting; return how many packets came."""
        self.make_ready()
        where, refused = self.messages.ctypes.data, 0
        while True:
            count = int(_libc.recvmmsg(fd, where, self.capacity, flags | _MSG_DONTWAIT, None))
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


@dataclass(slots=True)
class Rings:
    """The three rings a batch socket works in."""

    send: Ring
    receive: Ring
    stamps: Ring

    @staticmethod
    def of(capacity: int, payload_bytes: int) -> Rings:
        """Return rings for batches of `capacity` packets of at most `payload_bytes`."""
        return Rings(
            send=Ring(capacity, payload_bytes, _SEND_CONTROL_BYTES),
            receive=Ring(capacity, payload_bytes, _CONTROL_BYTES),
            stamps=Ring(capacity, 64, _CONTROL_BYTES),
        )


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of n packets: `error` int32[n] is 0 or the errno of a packet that did not leave,
    `key` uint32[n] names its transmit stamp, `before_ns` is the wall clock before the call."""

    error: NDArray[np.int32]
    key: NDArray[np.uint32]
    before_ns: int


@dataclass(frozen=True, slots=True)
class Received:
    """n packets, as views into the ring: valid until the socket receives again.

    `payload` uint8[n, payload_bytes] of which `length` int64[n] bytes are the packet (cut to the
    ring's width: `truncated`), `stamp_ns` int64[n] wall nanoseconds of arrival, `stamp_kind`
    uint8[n] (STAMP_USER where the kernel gave none), `ttl` uint8[n] (0 where unknown), `address`
    uint8[n, 28] (sockaddr of the sender), `destination` uint8[n, 16] the local address that was
    asked, if the socket tells it.
    """

    payload: NDArray[np.uint8]
    length: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    stamp_kind: NDArray[np.uint8]
    ttl: NDArray[np.uint8]
    address: NDArray[np.uint8]
    truncated: NDArray[np.bool_]
    destination: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.length)


@dataclass(frozen=True, slots=True)
class TransmitStamps:
    """When n packets left: `key` uint32[n], `stamp_ns` int64[n] wall, `stamp_kind` uint8[n]."""

    key: NDArray[np.uint32]
    stamp_ns: NDArray[np.int64]
    stamp_kind: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Refusals:
    """n ICMP errors about packets of ours: `error` int32[n] the errno that stands for each,
    `address` uint8[n, 28] where the packet was bound for, `payload` uint8[n, 64] as much of it as
    was quoted, `length` int64[n]."""

    error: NDArray[np.int32]
    address: NDArray[np.uint8]
    payload: NDArray[np.uint8]
    length: NDArray[np.int64]


class BatchSocket:
    """A datagram or raw socket served in batches; owns `sock` and closes it.

    Fill rows of `rings.send` (`payload`, `length`, `address`), then `send(count)`. The kernel
    stamps the departure of every packet, or with `stamps_on_request` of those that `send` is told
    of; stamps must be collected with `transmit_stamps()` after each send: an undrained error queue
    eats the receive buffer. With `tells_destination` a packet that is received comes with the
    local address it was sent to, for sockets bound to none. Not safe for use by two threads.
    """

    def __init__(
        self,
        sock: socket.socket,
        capacity: int = 256,
        payload_bytes: int = 1536,
        *,
        stamps_on_request: bool = False,
        tells_destination: bool = False,
        rings: Rings | None = None,
    ) -> None:
        self.sock = sock
        self.rings = rings or Rings.of(capacity, payload_bytes)
        self.overflowed = 0  # packets this socket lost because its receive buffer was full
        self.stamps_transmit = self.stamps_receive = False
        self._fd = sock.fileno()
        self._key = 0  # of the next packet
        self._epoch_key = 0  # our key of the packet that the kernel numbered 0
        self._chooses_keys = False
        self._kept: list[TransmitStamps] = []  # read before a renumbering, not yet handed out
        self._handed_kept = False
        self._refusals: list[Refusals] = []
        self._on_request = stamps_on_request
        self._transmit_flags = _TRANSMIT_FLAGS & ~(_TX_SOFTWARE if stamps_on_request else 0)
        sock.setblocking(False)
        self._ask_for_stamps()
        self._ask_for_details()
        if tells_destination:
            self._ask_for_destination()

    def _ask_for_stamps(self) -> None:
        """Turn kernel timestamps on; where the system refuses, user-space stamps remain."""
        with contextlib.suppress(OSError):
            self._set_stamping(self._transmit_flags)
            self.stamps_transmit = self.stamps_receive = True
            self._chooses_keys = _kernel_takes_keys()
        if not self.stamps_transmit:
            with contextlib.suppress(OSError):
                self._set_stamping(_RECEIVE_FLAGS)
                self.stamps_receive = True

    def _set_stamping(self, flags: int) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, control.SO_TIMESTAMPING, flags)

    def _ask_for_details(self) -> None:
        """Ask for TTL and overflow counts; each may be missing without harm."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, control.SO_RXQ_OVFL, 1)
        with contextlib.suppress(OSError):
            if self.sock.family == socket.AF_INET6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            else:
                self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)

    def ask_for_refusals(self) -> None:
        """Have ICMP errors about our packets told (`take_refusals`), and drops of our own queues.

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

    @property
    def has_kept_stamps(self) -> bool:
        """Tell whether stamps read early wait to be handed out, or the queue may hold more."""
        return bool(self._kept) or self._handed_kept

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
        stamped: NDArray[np.bool_] | None = None,
        source: NDArray[np.uint8] | None = None,
    ) -> SendResult:
        """Send the first `count` rows of the send ring; a packet that fails stops no other.

        `just_before` is called when all else is ready, to write what must be as late as can be.
        `stamped` bool[count] tells which departures are to be stamped (`stamps_on_request`);
        `source` uint8[count, 16] is the local address each packet shall leave from.
        """
        ring = self.rings.send
        messages = ring.messages[:count]
        messages["namelen"] = np.where(ring.address[:count, 0] == socket.AF_INET, 16, ADDRESS_BYTES)
        key = self._next_keys(count, stamped)
        messages["controllen"] = self._write_control(ring.control[:count], key, stamped, source)
        error = np.zeros(count, np.int32)
        before_ns = time.time_ns()
        if just_before is not None:
            just_before()
        self._send_all(count, error)
        if not self._chooses_keys and self.stamps_transmit and error.any():
            key = self._renumber(key, error, stamped)
        return SendResult(error, key, before_ns)

    def _next_keys(self, count: int, stamped: NDArray[np.bool_] | None) -> NDArray[np.uint32]:
        """Return the key of each packet. A kernel that numbers by itself counts stamped ones."""
        if stamped is None or self._chooses_keys:
            number = np.arange(count)
            used = count
        else:
            number = np.cumsum(stamped) - 1
            used = int(np.count_nonzero(stamped))
        key = (self._key + number).astype(np.uint32)
        self._key = (self._key + used) & 0xFFFFFFFF
        return key

    def _write_control(
        self,
        rows: NDArray[np.uint8],
        key: NDArray[np.uint32],
        stamped: NDArray[np.bool_] | None,
        source: NDArray[np.uint8] | None,
    ) -> int:
        """Write the control messages of a batch; return how many bytes each packet has."""
        end = 0
        if self._chooses_keys:
            _write_word(rows, end, control.SCM_TS_OPT_ID, key)
            end += _WORD_BYTES
        if self.stamps_transmit and stamped is not None:
            _write_word(rows, end, control.SO_TIMESTAMPING, np.where(stamped, _TX_SOFTWARE, 0))
            end += _WORD_BYTES
        if source is not None:
            end += _write_source(rows, end, self.sock.family, source)
        return end

    def _send_all(self, count: int, error: NDArray[np.int32]) -> None:
        """Hand every row to the kernel, noting the errno of each that it will not take.

        sendmmsg stops at the first refused packet and tells its errno only when called again with
        it. Pending ICMP errors of earlier packets may be reported instead; telling one clears it,
        so a refusal that may be such counts as the packet's own only when it keeps coming.
        """
        where = self.rings.send.messages.ctypes.data
        done, refused = 0, 0
        while done < count:
            sent = int(_libc.sendmmsg(self._fd, where + 64 * done, count - done, _MSG_DONTWAIT))
            if sent > 0:
                done, refused = done + sent, 0
                continue
            number = ctypes.get_errno()
            if number == errno.EINTR:
                continue
            refused += 1
            if refused == 1:
                if number in (errno.EAGAIN, errno.EWOULDBLOCK):
                    self._wait_for_room()
                continue
            if number in _MAY_BE_ICMP and refused <= _TELLINGS:
                continue
            error[done] = errno.ENOBUFS if number == errno.EAGAIN else number
            done, refused = done + 1, 0

    def _wait_for_room(self) -> None:
        """Wait a little until the send buffer has room again."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.poll(_ROOM_WAIT_MS)

    def _renumber(
        self,
        key: NDArray[np.uint32],
        error: NDArray[np.int32],
        stamped: NDArray[np.bool_] | None,
    ) -> NDArray[np.uint32]:
        """Give keys as the kernel counted them, then start its counting afresh.

        Kernels differ in whether a refused packet uses up a number (MEASUREMENT C.4). The usual
        case is that it does not; toggling OPT_ID sets the counter to 0, so a guess that is wrong
        here is wrong for this batch alone.
        """
        sent = error == 0
        first = int(key[0]) if len(key) else 0
        if stamped is not None:
            first += not stamped[0]  # a packet without a stamp was given the key before the next
            sent &= stamped
        counted = (first + np.cumsum(sent) - 1).astype(np.uint32)
        while len(stamps := self._read_stamps()):
            self._kept.append(stamps)
        self._set_stamping(_RECEIVE_FLAGS)
        self._set_stamping(self._transmit_flags)
        self._epoch_key = self._key
        return counted

    def receive(self) -> Received:
        """Return up to a ring's capacity of packets that have arrived; never waits."""
        ring = self.rings.receive
        count = ring.receive(self._fd, 0)
        messages = ring.messages[:count]
        said = control.read_control(ring.control[:count], messages["controllen"])
        if count and said.dropped[-1]:
            self.overflowed = int(said.dropped.max())
        stamped = said.software_ns != 0
        kind = np.where(stamped, STAMP_KERNEL, STAMP_USER).astype(np.uint8)
        stamp_ns = said.software_ns if stamped.all() else _or_now(said.software_ns)
        return Received(
            payload=ring.payload[:count],
            length=messages["length"].astype(np.int64),
            stamp_ns=stamp_ns,
            stamp_kind=kind,
            ttl=said.ttl,
            address=ring.address[:count],
            truncated=(messages["flags"] & _MSG_TRUNC) != 0,
            destination=said.destination,
        )

    def transmit_stamps(self) -> TransmitStamps:
        """Return transmit stamps that have come back, a batch of them; never waits."""
        self._handed_kept = bool(self._kept)
        if self._kept:
            return self._kept.pop(0)
        return self._read_stamps()

    def _read_stamps(self) -> TransmitStamps:
        """Read up to a ring's capacity from the error queue."""
        ring = self.rings.stamps
        count = ring.receive(self._fd, _MSG_ERRQUEUE)
        lengths = ring.messages["controllen"][:count]
        said = control.read_control(ring.control[:count], lengths)
        good = (said.origin == control.ORIGIN_TIMESTAMPING) & (said.software_ns != 0)
        if not good.all():
            self._keep_refusals(ring, count, said)
        key = said.key
        if not self._chooses_keys:
            key = (key.astype(np.uint64) + np.uint64(self._epoch_key)).astype(np.uint32)
        if not good.all():
            key, stamp_ns = key[good], said.software_ns[good]
        else:
            stamp_ns = said.software_ns
        return TransmitStamps(key, stamp_ns, np.full(len(key), STAMP_KERNEL, np.uint8))

    def _keep_refusals(self, ring: Ring, count: int, said: control.ControlColumns) -> None:
        """Set aside ICMP errors; they share the error queue with transmit stamps."""
        told = (said.origin == control.ORIGIN_ICMP) | (said.origin == control.ORIGIN_ICMP6)
        place = np.flatnonzero(told)
        if len(place) and len(self._refusals) < _MOST_REFUSALS:
            self._refusals.append(
                Refusals(
                    error=said.error_number[place].astype(np.int32),
                    address=ring.address[:count][place],
                    payload=ring.payload[:count][place],
                    length=ring.messages["length"][:count][place].astype(np.int64),
                )
            )

    def take_refusals(self) -> list[Refusals]:
        """Return the ICMP errors that came with the transmit stamps read so far."""
        taken, self._refusals = self._refusals, []
        return taken


def _or_now(stamp_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace absent stamps by the wall clock of this moment."""
    return np.where(stamp_ns == 0, time.time_ns(), stamp_ns)


def _write_word(rows: NDArray[np.uint8], at: int, kind: int, value: NDArray[Any]) -> None:
    """Write one socket-level message of a 32-bit word into each row."""
    words = rows[:, at : at + _WORD_BYTES].view("<u4")
    words[:, 0] = 20
    words[:, 1] = 0
    words[:, 2] = control.SOL_SOCKET
    words[:, 3] = kind
    words[:, 4] = value
    words[:, 5] = 0


def _write_source(rows: NDArray[np.uint8], at: int, family: int, source: NDArray[np.uint8]) -> int:
    """Write the local address each packet shall leave from; return the bytes it takes.

    The interface is left to routing: the way back need not be the way there.
    """
    ipv6 = family == socket.AF_INET6
    space, size = (40, 36) if ipv6 else (32, 28)
    message = rows[:, at : at + space]
    message[:, 16:] = 0
    words = message.view("<u4")
    words[:, 0], words[:, 1] = size, 0
    words[:, 2] = control.IPV6 if ipv6 else control.IP
    words[:, 3] = control.IPV6_PKTINFO if ipv6 else control.IP_PKTINFO
    if ipv6:
        message[:, 16:32] = source
    else:
        message[:, 20:24] = source[:, :4]
    return space


_takes_keys: bool | None = None


def _kernel_takes_keys() -> bool:
    """Tell whether this kernel knows SCM_TS_OPT_ID (Linux 6.13); tried once on loopback."""
    global _takes_keys
    if _takes_keys is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind(("127.0.0.1", 0))
            trial.setsockopt(socket.SOL_SOCKET, control.SO_TIMESTAMPING, _TRANSMIT_FLAGS)
            message = (control.SOL_SOCKET, control.SCM_TS_OPT_ID, struct.pack("=I", 7))
            try:
                trial.sendmsg([b""], [message], 0, trial.getsockname())
                _takes_keys = True
            except OSError:
                _takes_keys = False
    return _takes_keys


def pack_address(host: str, port: int = 0) -> NDArray[np.uint8]:
    """Return the sockaddr of a numeric address (``fe80::1%eth0`` too) as uint8[28].

    Raises OSError for what is no numeric address.
    """
    numeric, _, zone = host.partition("%")
    family = socket.AF_INET6 if ":" in numeric else socket.AF_INET
    raw = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET6:
        raw += bytes(4)
    raw += socket.inet_pton(family, numeric)
    if family == socket.AF_INET6:
        raw += struct.pack("=I", _zone_index(zone) if zone else 0)
    elif zone:
        raise OSError(errno.EINVAL, f"{host} is no IPv4 address")
    row = np.zeros(ADDRESS_BYTES, np.uint8)
    row[: len(raw)] = np.frombuffer(raw, np.uint8)
    return row


def _zone_index(zone: str) -> int:
    """Return the index of the interface that an IPv6 zone names (RFC 4007 §11)."""
    return int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
