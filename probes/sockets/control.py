"""Control messages (cmsg) of packets, read and written for a whole batch at once, or for one.

One row of `control` per packet, 8-byte aligned, LP64 layout (docs/concepts/measurement.md §3.2):

    cmsghdr  len u64 | level i32 | type i32 | data …, padded to 8
    SCM_TIMESTAMPING (1, 37)  3 × (seconds i64, nanoseconds i64): software, 0, raw hardware
    SO_RXQ_OVFL (1, 40) u32   IP_TTL (0, 2) i32   IPV6_HOPLIMIT (41, 52) i32
    IP_TOS (0, 1) u8          IPV6_TCLASS (41, 67) i32
    IP_PKTINFO (0, 8)         interface i32 | local address u8[4] | destination u8[4]
    IPV6_PKTINFO (41, 50)     destination u8[16] | interface u32
    IP_RECVERR (0, 11) / IPV6_RECVERR (41, 25)
                              errno u32 | origin u8 type u8 code u8 pad u8 | info u32 | data u32
                              | sockaddr of who said it, where ICMP did
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SOL_SOCKET = 1
SO_TIMESTAMPING = 37
SO_RXQ_OVFL = 40
SCM_TS_OPT_ID = 81
IP_TOS, IPV6_TCLASS = 1, 67
IP_TTL = 2
IP_PKTINFO = 8
IP_RECVERR = 11
IPV6_HOPLIMIT = 52
IPV6_RECVERR = 25
IPV6_PKTINFO = 50
IP, IPV6 = 0, 41  # levels

ORIGIN_TIMESTAMPING = 4  # SO_EE_ORIGIN_…; those of ICMP are in probes.causes
_NS = 1_000_000_000
_HEADER_BYTES = 16
_MOST_MESSAGES = 8  # more control messages than we ever ask for on one packet
WORD_BYTES = 24  # a sent message of one 32-bit word

_HEADER = struct.Struct("=Qii")
_TIMESTAMPS = struct.Struct("=qq")  # of three, the software one
_ERROR = struct.Struct("=IBBBBII")
_WORD = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class ControlColumns:
    """What the control messages of n packets said; 0 where a packet did not say it.

    Shapes: software_ns int64[n] (wall nanoseconds), ttl, tos uint8[n], dropped uint32[n]
    (socket's running total of overflow drops), error_number, origin, key uint32[n] (extended
    error; the word `origin` has type and code above its low octet), destination uint8[n, 16]: the
    local address a packet was sent to, an IPv4 one in the first four
    bytes; offender uint8[n, 28], which `read_offenders` alone reads.
    """

    software_ns: NDArray[np.int64]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.uint8]
    dropped: NDArray[np.uint32]
    error_number: NDArray[np.uint32]
    origin: NDArray[np.uint32]
    key: NDArray[np.uint32]
    destination: NDArray[np.uint8]
    offender: NDArray[np.uint8]

    @staticmethod
    def blank(rows: int, written: Container[str]) -> ControlColumns:
        """Return columns of zeros, of which those to be `written` have memory of their own."""
        return ControlColumns(
            **{
                name: np.zeros((rows, *shape), kind)
                if name in written
                else np.ndarray((rows, *shape), kind, _NOTHING, strides=(0,) * (1 + len(shape)))
                for name, kind, shape in _COLUMNS
            }
        )


_COLUMNS: tuple[tuple[str, Any, tuple[int, ...]], ...] = (
    ("software_ns", np.int64, ()),
    ("ttl", np.uint8, ()),
    ("tos", np.uint8, ()),
    ("dropped", np.uint32, ()),
    ("error_number", np.uint32, ()),
    ("origin", np.uint32, ()),
    ("key", np.uint32, ()),
    ("destination", np.uint8, (16,)),
    ("offender", np.uint8, (28,)),
)
_NOTHING = bytes(8)


def read_control(control: NDArray[np.uint8], length: NDArray[np.uint64]) -> ControlColumns:
    """Read the control messages of every row. `control` uint8[n, m], `length` uint64[n] bytes.

    The rows of a batch usually have the same messages in the same places and are then read column
    by column; a batch in which any row differs is walked message by message (all rows in step).
    """
    if not len(control):
        return ControlColumns.blank(0, ())
    words, longs = control.view("<u4"), control.view("<i8")
    layout = _common_layout(words[0].tolist(), longs, length)
    if layout is None:
        columns = ControlColumns.blank(len(control), [name for name, _, _ in _COLUMNS])
        _walk(_Rows(columns, words, longs), length)
        return columns
    columns = ControlColumns.blank(
        len(control), [name for kind, _ in layout for name in kind.writes]
    )
    for kind, at in layout:
        kind.store(_Rows(columns, words, longs), slice(None), at)
    return columns


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns to fill and the control memory seen as 32-bit and 64-bit words."""

    columns: ControlColumns
    words: NDArray[np.uint32]
    longs: NDArray[np.int64]


def _common_layout(
    first: list[int], longs: NDArray[np.int64], length: NDArray[np.uint64]
) -> list[tuple[_Kind, int]] | None:
    """Return (kind, first word) of each message known to us; None where rows differ.

    `first` has the 32-bit words of the first row.
    """
    layout, at, end = [], 0, min(int(length[0]), len(first) * 4) // 4
    differs = (length ^ length[0]).view(np.int64)
    while at + 4 <= end:
        size, _, level, number = first[at : at + 4]
        if size < _HEADER_BYTES or at + (size + 3) // 4 > end:
            return None
        # A header is two 64-bit words: its length, and level with type.
        for header in (longs[:, at // 2], longs[:, at // 2 + 1]):
            differs |= header ^ header[0]
        layout += [
            (kind, at) for kind in _KINDS if kind.name == (level, number) and size >= kind.least
        ]
        at += (size + 7) // 8 * 2
    return None if differs.any() else layout


def read_offenders(control: NDArray[np.uint8], length: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the sockaddr of who sent the ICMP error that each packet is about, uint8[n, 28]."""
    columns = ControlColumns.blank(len(control), ("offender",))
    _walk(_Rows(columns, control.view("<u4"), control.view("<i8")), length, _OFFENDERS)
    return columns.offender


def _walk(rows: _Rows, length: NDArray[np.uint64], kinds: Sequence[_Kind] | None = None) -> None:
    """Step through the messages of all rows at once, whatever their order."""
    words = rows.words
    end = np.minimum(length.astype(np.int64), words.shape[1] * 4) // 4
    position = np.zeros(len(words), np.int64)
    for _ in range(_MOST_MESSAGES):
        row = np.flatnonzero(position + 4 <= end)
        if not len(row):
            return
        at = position[row]
        size = words[row, at].astype(np.int64)
        sound = (size >= _HEADER_BYTES) & (at + (size + 3) // 4 <= end[row])
        row, at, size = row[sound], at[sound], size[sound]
        level, kind = words[row, at + 2], words[row, at + 3]
        for one in kinds or _KINDS:
            chosen = (level == one.name[0]) & (kind == one.name[1]) & (size >= one.least)
            one.store(rows, row[chosen], at[chosen])
        position[:] = end  # rows that were not sound are finished
        position[row] = at + (size + 7) // 8 * 2


# Each of these stores one kind of message: `row` and `at` (its first word) are index arrays, or
# all rows and one number.


def _store_timestamps(rows: _Rows, row: Any, at: Any) -> None:
    half = at // 2 + 2
    rows.columns.software_ns[row] = rows.longs[row, half] * _NS + rows.longs[row, half + 1]


def _store_dropped(rows: _Rows, row: Any, at: Any) -> None:
    rows.columns.dropped[row] = rows.words[row, at + 4]


def _store_ttl(rows: _Rows, row: Any, at: Any) -> None:
    rows.columns.ttl[row] = rows.words[row, at + 4]


def _store_tos(rows: _Rows, row: Any, at: Any) -> None:
    rows.columns.tos[row] = rows.words[row, at + 4] & 0xFF  # an octet alone: what follows is noise


def _store_error(rows: _Rows, row: Any, at: Any) -> None:
    words, columns = rows.words, rows.columns
    columns.error_number[row] = words[row, at + 4]
    columns.origin[row] = words[row, at + 5]
    columns.key[row] = words[row, at + 7]


def _store_offender4(rows: _Rows, row: Any, at: Any) -> None:
    for word in range(2):
        rows.columns.offender.view("<u4")[row, word] = rows.words[row, at + 8 + word]


def _store_offender6(rows: _Rows, row: Any, at: Any) -> None:
    for word in range(7):
        rows.columns.offender.view("<u4")[row, word] = rows.words[row, at + 8 + word]


def _store_ipv4(rows: _Rows, row: Any, at: Any) -> None:
    rows.columns.destination.view("<u4")[row, 0] = rows.words[row, at + 5]


def _store_ipv6(rows: _Rows, row: Any, at: Any) -> None:
    for word in range(4):
        rows.columns.destination.view("<u4")[row, word] = rows.words[row, at + 4 + word]


class _Kind(NamedTuple):
    """A kind of message: (level, type), the least bytes with its header, and what stores it."""

    name: tuple[int, int]
    least: int
    store: Callable[[_Rows, Any, Any], None]
    writes: tuple[str, ...]


_ERRORS = ("error_number", "origin", "key")
_KINDS = (
    _Kind((SOL_SOCKET, SO_TIMESTAMPING), 64, _store_timestamps, ("software_ns",)),
    _Kind((SOL_SOCKET, SO_RXQ_OVFL), 20, _store_dropped, ("dropped",)),
    _Kind((IP, IP_TTL), 20, _store_ttl, ("ttl",)),
    _Kind((IPV6, IPV6_HOPLIMIT), 20, _store_ttl, ("ttl",)),
    _Kind((IP, IP_TOS), 17, _store_tos, ("tos",)),
    _Kind((IPV6, IPV6_TCLASS), 20, _store_tos, ("tos",)),
    _Kind((IP, IP_RECVERR), 32, _store_error, _ERRORS),
    _Kind((IPV6, IPV6_RECVERR), 32, _store_error, _ERRORS),
    _Kind((IP, IP_PKTINFO), 28, _store_ipv4, ("destination",)),
    _Kind((IPV6, IPV6_PKTINFO), 36, _store_ipv6, ("destination",)),
)
_OFFENDERS = (
    _Kind((IP, IP_RECVERR), 48, _store_offender4, ("offender",)),
    _Kind((IPV6, IPV6_RECVERR), 60, _store_offender6, ("offender",)),
)


@dataclass(frozen=True, slots=True)
class OneControl:
    """What the control messages of one packet said; as in `ControlColumns`, `destination` empty
    where it was not told."""

    software_ns: int
    ttl: int
    tos: int
    dropped: int
    destination: bytes


def read_messages(control: bytes) -> OneControl:
    """Read the control messages of one packet."""
    software_ns = ttl = tos = dropped = at = 0
    destination = b""
    while at + _HEADER_BYTES <= len(control):
        size, level, kind = _HEADER.unpack_from(control, at)
        data = at + _HEADER_BYTES
        if size < _HEADER_BYTES or at + size > len(control):
            break
        if level == SOL_SOCKET and kind == SO_TIMESTAMPING and size >= 64:
            seconds, nanoseconds = _TIMESTAMPS.unpack_from(control, data)
            software_ns = seconds * _NS + nanoseconds
        elif level == SOL_SOCKET and kind == SO_RXQ_OVFL and size >= 20:
            (dropped,) = _WORD.unpack_from(control, data)
        elif (level, kind) in ((IP, IP_TTL), (IPV6, IPV6_HOPLIMIT)) and size >= 20:
            ttl = control[data]
        elif (level, kind) in ((IP, IP_TOS), (IPV6, IPV6_TCLASS)) and size >= 17:
            tos = control[data]
        elif level == IP and kind == IP_PKTINFO and size >= 28:
            destination = control[data + 4 : data + 8]
        elif level == IPV6 and kind == IPV6_PKTINFO and size >= 36:
            destination = control[data : data + 16]
        at += (size + 7) // 8 * 8
    return OneControl(software_ns, ttl, tos, dropped, destination)


def read_icmp_error(messages: Iterable[tuple[int, int, bytes]]) -> tuple[int, int, bytes]:
    """Return (errno, word of origin, type and code, sockaddr of who said it) of one ICMP error;
    zeros where the messages hold none."""
    for level, kind, data in messages:
        if (level, kind) in ((IP, IP_RECVERR), (IPV6, IPV6_RECVERR)) and len(data) >= 16:
            number, word = struct.unpack_from("=II", data)
            return number, word, data[16:44]
    return 0, 0, b""


def read_tx_timestamp(messages: Iterable[tuple[int, int, bytes]]) -> tuple[int, int] | None:
    """Return (key, wall nanoseconds) of a TX timestamp, None if the messages hold none."""
    timestamp_ns, key = 0, None
    for level, kind, data in messages:
        if (level, kind) == (SOL_SOCKET, SO_TIMESTAMPING) and len(data) >= 48:
            seconds, nanoseconds = _TIMESTAMPS.unpack_from(data)
            timestamp_ns = seconds * _NS + nanoseconds
        elif (level, kind) in ((IP, IP_RECVERR), (IPV6, IPV6_RECVERR)) and len(data) >= 16:
            _, origin, _, _, _, _, number = _ERROR.unpack_from(data)
            key = number if origin == ORIGIN_TIMESTAMPING else None
    return (key, timestamp_ns) if key is not None and timestamp_ns else None


def lay_word(rows: NDArray[np.uint8], at: int, kind: int, word: int = 0) -> int:
    """Write a socket-level message of one 32-bit word into each row; return the bytes it takes.

    `put_word` writes other words.
    """
    rows[:, at : at + WORD_BYTES].view("<u4")[:] = (20, 0, SOL_SOCKET, kind, word, 0)
    return WORD_BYTES


def put_word(rows: NDArray[np.uint8], at: int, value: NDArray[Any]) -> None:
    """Write the word of a message that is at byte `at`."""
    rows[:, at + _HEADER_BYTES : at + _HEADER_BYTES + 4].view("<u4")[:, 0] = value


def lay_source(rows: NDArray[np.uint8], at: int, family: int) -> int:
    """Write the header of the message that tells the local address to leave from into each row.

    The interface is left to routing: the way back need not be the way there.
    """
    ipv6 = family == socket.AF_INET6
    level, kind, size = (IPV6, IPV6_PKTINFO, 36) if ipv6 else (IP, IP_PKTINFO, 28)
    space = (size + 7) // 8 * 8
    message = rows[:, at : at + space]
    message[:] = 0
    message.view("<u4")[:, :4] = (size, 0, level, kind)
    return space


def put_source(rows: NDArray[np.uint8], at: int, family: int, source: NDArray[np.uint8]) -> int:
    """Write local addresses (uint8[n, 16]) into messages at byte `at`; return where they end."""
    if family == socket.AF_INET6:
        rows[:, at + 16 : at + 32] = source
        return at + 40
    rows[:, at + 20 : at + 24].view("<u4")[:, 0] = source[:, :4].view("<u4")[:, 0]
    return at + 32


def lay_tos(rows: NDArray[np.uint8], at: int, family: int) -> int:
    """Write the header of the message that tells DSCP and ECN to leave with into each row."""
    level, kind = (IPV6, IPV6_TCLASS) if family == socket.AF_INET6 else (IP, IP_TOS)
    rows[:, at : at + WORD_BYTES].view("<u4")[:] = (20, 0, level, kind, 0, 0)
    return WORD_BYTES


def tos_message(family: int, tos: int) -> tuple[int, int, bytes]:
    """Return that message for one packet, as Python's sockets take it."""
    level, kind = (IPV6, IPV6_TCLASS) if family == socket.AF_INET6 else (IP, IP_TOS)
    return level, kind, _WORD.pack(tos)


def source_message(family: int, source: bytes) -> tuple[int, int, bytes]:
    """Return that message for one packet, as Python's sockets take it."""
    if family == socket.AF_INET6:
        return IPV6, IPV6_PKTINFO, source + bytes(4)
    return IP, IP_PKTINFO, bytes(4) + source[:4] + bytes(4)
