"""Follow-Up Telemetry and Extra Padding TLVs (RFC 8972) of STAMP packets, by the thousand.

    Follow-Up Telemetry TLV (type 7), at byte 44      Extra Padding TLV (type 1), after it
     0  flags, type, length            4               0  flags, type, length            4
     4  Sequence Number                4               4  zeros
     8  Follow-Up Timestamp            8
    16  Timestamp Method, reserved     4

Other TLVs are taken one packet at a time (probes/stamp/tlv.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.sockets.records import rows_through
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.timestamps import timestamps_to_wall_ns_array, wall_ns_to_ntp64_array

TLV_HEADER_BYTES = 4
FOLLOW_UP_BYTES = 20  # TLV type 7 with its header
CLASS_OF_SERVICE_BYTES = 8  # TLV type 4 with its header
CLASS_OF_SERVICE = 4
CLASS_OF_SERVICE_AT = BASE_BYTES + FOLLOW_UP_BYTES
_EXTRA_PADDING = 1
FOLLOW_UP = 7
_SPOILT = 0x60  # M: malformed, I: failed integrity
_U_FLAG = 0x80  # "not understood": set by the sender, cleared by a reflector that understands
_TLV_HEADER = np.dtype([("flags", "u1"), ("type", "u1"), ("length", ">u2")])
_FOLLOW_UP_TLV = np.dtype(
    [
        ("flags", "u1"),
        ("type", "u1"),
        ("length", ">u2"),
        ("sequence", ">u4"),
        ("timestamp", ">u8"),
        ("method", "u1"),
        ("reserved", "V3"),
    ]
)
assert _FOLLOW_UP_TLV.itemsize == FOLLOW_UP_BYTES


def write_extra_padding(buffer: NDArray[np.uint8], start: int) -> None:
    """Make the zeros from `start` on one Extra Padding TLV, where there is room for its header."""
    size = buffer.shape[1]
    if size >= start + TLV_HEADER_BYTES:
        write_tlv_header(buffer, start, _EXTRA_PADDING, size - start - TLV_HEADER_BYTES)


def write_tlv_header(buffer: NDArray[np.uint8], offset: int, kind: int, length: int) -> None:
    """Write the header of one TLV that asks, of `length` bytes after it, into each row."""
    header = rows_through(buffer, offset, _TLV_HEADER)
    header["flags"] = _U_FLAG
    header["type"] = kind
    header["length"] = length


def read_follow_up(
    buffer: NDArray[np.uint8],
    length: NDArray[Any],
    valid: NDArray[np.bool_],
    ptp: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.uint32], NDArray[np.int64]]:
    """Return (present, sequence, moment) of the Follow-Up TLV that is at byte 44."""
    count = len(buffer)
    if int(length.max(initial=0)) < BASE_BYTES + FOLLOW_UP_BYTES:
        return np.zeros(count, np.bool_), np.zeros(count, np.uint32), np.zeros(count, np.int64)
    tlv = rows_through(buffer, BASE_BYTES, _FOLLOW_UP_TLV)
    timestamp = tlv["timestamp"].astype(np.uint64)
    moment, well_formed = timestamps_to_wall_ns_array(timestamp, ptp)
    present = valid & well_formed & (length >= BASE_BYTES + FOLLOW_UP_BYTES)
    # Flags must be clear: U = not understood, M = malformed, I = failed integrity. A timestamp of
    # zero says "not known" (RFC 8972 §4.7).
    present &= (tlv["flags"] == 0) & (tlv["type"] == FOLLOW_UP) & (timestamp != 0)
    present &= tlv["length"] == FOLLOW_UP_BYTES - TLV_HEADER_BYTES
    return present, tlv["sequence"].astype(np.uint32), moment


def misreads_follow_up(buffer: NDArray[np.uint8], length: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which replies have something else at byte 44 than the Follow-Up TLV that was
    requested, or one that is marked malformed; who left it alone (U is set) merely does not know
    it."""
    if int(length.max(initial=0)) < BASE_BYTES + FOLLOW_UP_BYTES:
        return np.zeros(len(buffer), np.bool_)
    tlv = rows_through(buffer, BASE_BYTES, _FOLLOW_UP_TLV)
    other: NDArray[np.bool_] = tlv["type"] != FOLLOW_UP
    other |= tlv["length"] != FOLLOW_UP_BYTES - TLV_HEADER_BYTES
    other |= (tlv["flags"] & _SPOILT) != 0
    return other & (length >= BASE_BYTES + FOLLOW_UP_BYTES)


def write_class_of_service(buffer: NDArray[np.uint8], dscp: int) -> None:
    """Write a Class of Service TLV behind Follow-Up Telemetry: replies shall leave with `dscp`."""
    at = CLASS_OF_SERVICE_AT
    write_tlv_header(buffer, at, CLASS_OF_SERVICE, CLASS_OF_SERVICE_BYTES - TLV_HEADER_BYTES)
    buffer[:, at + TLV_HEADER_BYTES] = dscp << 2  # DSCP1 is the first six bits


def read_class_of_service(
    buffer: NDArray[np.uint8], length: NDArray[Any], valid: NDArray[np.bool_]
) -> NDArray[np.int16]:
    """Return DSCP and ECN that requests arrived with, as replies say it behind Follow-Up Telemetry;
    -1 where they do not."""
    end = CLASS_OF_SERVICE_AT + CLASS_OF_SERVICE_BYTES
    if buffer.shape[1] < end or int(length.max(initial=0)) < end:
        return np.full(len(buffer), -1, np.int16)
    tlv = rows_through(buffer, CLASS_OF_SERVICE_AT, _TLV_HEADER)
    said = valid & (length >= end) & (tlv["flags"] == 0) & (tlv["type"] == CLASS_OF_SERVICE)
    said &= tlv["length"] == CLASS_OF_SERVICE_BYTES - TLV_HEADER_BYTES
    # DSCP1 (6 bits), DSCP2 (6), ECN (2), RP (2): DSCP2 and ECN together are the octet itself.
    word = rows_through(buffer, CLASS_OF_SERVICE_AT + TLV_HEADER_BYTES, np.dtype(">u2"))
    return np.where(said, (word >> 2) & 0xFF, -1).astype(np.int16)


def asks_follow_up(buffer: NDArray[np.uint8], length: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which requests have a Follow-Up TLV at byte 44, bool[n]."""
    if int(length.max(initial=0)) < BASE_BYTES + FOLLOW_UP_BYTES:
        return np.zeros(len(buffer), np.bool_)
    tlv = rows_through(buffer, BASE_BYTES, _FOLLOW_UP_TLV)
    asks: NDArray[np.bool_] = (
        (length >= BASE_BYTES + FOLLOW_UP_BYTES)
        & (tlv["type"] == FOLLOW_UP)
        & (tlv["length"] == FOLLOW_UP_BYTES - TLV_HEADER_BYTES)
    )
    return asks


def is_plain(
    buffer: NDArray[np.uint8], length: NDArray[Any], follow_up: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which rows need no TLV parsing beyond a leading Follow-Up TLV."""
    plain = length < BASE_BYTES + TLV_HEADER_BYTES
    for after_follow_up, start in ((False, BASE_BYTES), (True, BASE_BYTES + FOLLOW_UP_BYTES)):
        if after_follow_up:
            plain |= follow_up & (length < start + TLV_HEADER_BYTES)
        if int(length.max(initial=0)) < start + TLV_HEADER_BYTES:
            break
        header = rows_through(buffer, start, _TLV_HEADER)
        word = rows_through(buffer, start, np.dtype(">u4"))
        to_the_end = (header["type"] == _EXTRA_PADDING) & (
            header["length"] == length - (start + TLV_HEADER_BYTES)
        )
        plain |= (follow_up == after_follow_up) & (to_the_end | (word == 0))
    return plain


def accept_padding(
    buffer: NDArray[np.uint8], plain: NDArray[np.bool_], follow_up: NDArray[np.bool_]
) -> None:
    """Clear the U flag of the Extra Padding TLV of every plain request: we understand it."""
    for after_follow_up, start in ((False, BASE_BYTES), (True, BASE_BYTES + FOLLOW_UP_BYTES)):
        if buffer.shape[1] < start + TLV_HEADER_BYTES:
            return
        header = rows_through(buffer, start, _TLV_HEADER)
        understood = plain & (follow_up == after_follow_up)
        understood &= header["type"] == _EXTRA_PADDING
        header["flags"][understood] = 0


def write_follow_up(
    buffer: NDArray[np.uint8],
    row: NDArray[np.intp],
    *,
    sequence: NDArray[np.uint32],
    wall_ns: NDArray[np.int64],
    method: int,
) -> None:
    """Fill the Follow-Up Telemetry TLV at byte 44 of the rows numbered by `row` (int[m]).

    `sequence` uint32[m] and `wall_ns` int64[m]: the last reply of that session whose departure is
    known, and when it left; `wall_ns` 0 where none is (both fields are then zero). `method` as
    in RFC 8972 §5.5: 1 hardware assist, 2 software local.
    """
    known = wall_ns != 0
    tlv = np.zeros(len(row), _FOLLOW_UP_TLV)
    tlv["type"] = FOLLOW_UP
    tlv["length"] = FOLLOW_UP_BYTES - TLV_HEADER_BYTES
    tlv["sequence"] = np.where(known, sequence, 0)
    tlv["timestamp"] = np.where(known, wall_ns_to_ntp64_array(wall_ns), 0)
    tlv["method"] = np.where(known, method, 0)
    end = BASE_BYTES + FOLLOW_UP_BYTES
    buffer[row, BASE_BYTES:end] = tlv.view(np.uint8).reshape(-1, FOLLOW_UP_BYTES)
