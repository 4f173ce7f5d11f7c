"""Control messages (cmsg) of received packets, read for a whole batch at once.

One row of `control` per packet, 8-byte aligned, LP64 layout (MEASUREMENT C.2):

    cmsghdr  len u64 | level i32 | type i32 | data …, padded to 8
    SCM_TIMESTAMPING (1, 37)  3 × (seconds i64, nanoseconds i64): software, 0, raw hardware
    SO_RXQ_OVFL (1, 40) u32   IP_TTL (0, 2) i32   IPV6_HOPLIMIT (41, 52) i32
    IP_RECVERR (0, 11) / IPV6_RECVERR (41, 25)
                              errno u32 | origin u8 type u8 code u8 pad u8 | info u32 | data u32
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SOL_SOCKET = 1
SO_TIMESTAMPING = 37
SO_RXQ_OVFL = 40
SCM_TS_OPT_ID = 81
IP_TTL = 2
IP_RECVERR = 11
IPV6_HOPLIMIT = 52
IPV6_RECVERR = 25
_IP, _IPV6 = 0, 41

ORIGIN_TIMESTAMPING = 4  # SO_EE_ORIGIN_TIMESTAMPING
_NS = 1_000_000_000
_MOST_MESSAGES = 8  # more control messages than we ever ask for on one packet


@dataclass(frozen=True, slots=True)
class ControlColumns:
    """What the control messages of n packets said; 0 where a packet did not say it.

    Shapes: software_ns, hardware_ns int64[n] (wall nanoseconds; hardware in its own clock's
    scale), ttl uint8[n], dropped uint32[n] (socket's running total of overflow drops),
    error_number, origin, info, key uint32[n] (extended error).
    """

    software_ns: NDArray[np.int64]
    hardware_ns: NDArray[np.int64]
    ttl: NDArray[np.uint8]
    dropped: NDArray[np.uint32]
    error_number: NDArray[np.uint32]
    origin: NDArray[np.uint32]
    info: NDArray[np.uint32]
    key: NDArray[np.uint32]

    @staticmethod
    def absent(rows: int) -> ControlColumns:
        """Return columns in which nothing was said."""
        return ControlColumns(
            np.zeros(rows, np.int64),
            np.zeros(rows, np.int64),
            np.zeros(rows, np.uint8),
            *(np.zeros(rows, np.uint32) for _ in range(5)),
        )


def read_control(control: NDArray[np.uint8], length: NDArray[np.uint64]) -> ControlColumns:
    """Read the control messages of every row. `control` uint8[n, m], `length` uint64[n] bytes.

    The usual two messages stand at fixed offsets and are read there; a batch in which any row
    differs is walked message by message (all rows in step).
    """
    columns = ControlColumns.absent(len(control))
    if not len(control):
        return columns
    words = control.view("<u4")
    if _read_fixed(columns, words, control.view("<i8"), length):
        return columns
    _walk(columns, words, control.view("<i8"), length)
    return columns


def _read_fixed(
    columns: ControlColumns,
    words: NDArray[np.uint32],
    longs: NDArray[np.int64],
    length: NDArray[np.uint64],
) -> bool:
    """Read the one usual layout, stamp first and one more message; False if any row differs."""
    first = words[0]
    if length[0] not in (88, 112, 128) or (length != length[0]).any():
        return False
    shape = words[:, [0, 2, 3, 16, 18, 19]]
    if (shape != shape[0]).any() or (first[2], first[3]) != (SOL_SOCKET, SO_TIMESTAMPING):
        return False
    if 64 + (int(first[16]) + 7) // 8 * 8 != int(length[0]):
        return False
    columns.software_ns[:] = longs[:, 2] * _NS + longs[:, 3]
    columns.hardware_ns[:] = longs[:, 6] * _NS + longs[:, 7]
    kind = (int(first[18]), int(first[19]))
    if kind in ((_IP, IP_TTL), (_IPV6, IPV6_HOPLIMIT)):
        columns.ttl[:] = words[:, 20]
    elif kind in ((_IP, IP_RECVERR), (_IPV6, IPV6_RECVERR)):
        columns.error_number[:] = words[:, 20]
        columns.origin[:] = words[:, 21] & 0xFF
        columns.info[:] = words[:, 22]
        columns.key[:] = words[:, 23]
    else:
        return False
    return True


def _walk(
    columns: ControlColumns,
    words: NDArray[np.uint32],
    longs: NDArray[np.int64],
    length: NDArray[np.uint64],
) -> None:
    """Step through the messages of all rows at once, whatever their order."""
    end = np.minimum(length.astype(np.int64), words.shape[1] * 4) // 4
    position = np.zeros(len(words), np.int64)
    for _ in range(_MOST_MESSAGES):
        row = np.flatnonzero(position + 4 <= end)
        if not len(row):
            return
        at = position[row]
        size = words[row, at].astype(np.int64)
        sound = (size >= 16) & (at + (size + 3) // 4 <= end[row])
        row, at, size = row[sound], at[sound], size[sound]
        _take(columns, words, longs, row, at, size)
        position[:] = end  # rows that were not sound are finished
        position[row] = at + (size + 7) // 8 * 2


def _take(
    columns: ControlColumns,
    words: NDArray[np.uint32],
    longs: NDArray[np.int64],
    row: NDArray[np.int64],
    at: NDArray[np.int64],
    size: NDArray[np.int64],
) -> None:
    """Store one message of each row given."""
    level, kind = words[row, at + 2], words[row, at + 3]

    def rows_of(is_kind: NDArray[np.bool_], least: int) -> tuple[NDArray[np.int64], ...]:
        chosen = is_kind & (size >= least)
        return row[chosen], at[chosen]

    r, a = rows_of((level == SOL_SOCKET) & (kind == SO_TIMESTAMPING), 64)
    half = a // 2 + 2
    columns.software_ns[r] = longs[r, half] * _NS + longs[r, half + 1]
    columns.hardware_ns[r] = longs[r, half + 4] * _NS + longs[r, half + 5]
    r, a = rows_of((level == SOL_SOCKET) & (kind == SO_RXQ_OVFL), 20)
    columns.dropped[r] = words[r, a + 4]
    is_ttl = ((level == _IP) & (kind == IP_TTL)) | ((level == _IPV6) & (kind == IPV6_HOPLIMIT))
    r, a = rows_of(is_ttl, 20)
    columns.ttl[r] = words[r, a + 4]
    is_error = ((level == _IP) & (kind == IP_RECVERR)) | ((level == _IPV6) & (kind == IPV6_RECVERR))
    r, a = rows_of(is_error, 32)
    columns.error_number[r] = words[r, a + 4]
    columns.origin[r] = words[r, a + 5] & 0xFF
    columns.info[r] = words[r, a + 6]
    columns.key[r] = words[r, a + 7]
