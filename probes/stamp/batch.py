"""Unauthenticated STAMP packets by the thousand: rows of a byte matrix, no loop over packets.

    Session-Sender (RFC 8762 §4.2.1)           Session-Reflector (RFC 8762 §4.3.1)
     0  Sequence Number                4        0  Sequence Number                4
     4  Timestamp T1                   8        4  Timestamp T3                   8
    12  Error Estimate                 2       12  Error Estimate                 2
    14  SSID (RFC 8972)                2       14  SSID                           2
    16  must be zero                  28       16  Receive Timestamp T2           8
    44  TLVs (RFC 8972), padding               24  Session-Sender Sequence Number 4
                                               28  Session-Sender Timestamp       8
                                               36  Session-Sender Error Estimate  2
                                               38  must be zero                   2
                                               40  Session-Sender TTL             1
                                               41  must be zero                   3
                                               44  TLVs, the request's further bytes

TLVs of ordinary packets are in probes/stamp/tlv_batch.py. The single-packet codec, with every TLV
and the authenticated mode, is probes/stamp/packet.py. Both are held to the same vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.sockets.records import rows_through
from probes.stamp.nonconforming import (
    ERROR_ESTIMATE,
    RESERVED,
    TIMESTAMPS,
    TLVS,
    TTL,
    mark,
)
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.timestamps import (
    error_ns_of_array,
    ptp_array,
    synchronised_array,
    timestamps_to_wall_ns_array,
    wall_ns_to_ntp64,
    wall_ns_to_ntp64_array,
)
from probes.stamp.tlv_batch import (
    CLASS_OF_SERVICE_BYTES,
    FOLLOW_UP,
    FOLLOW_UP_BYTES,
    TLV_HEADER_BYTES,
    asks_follow_up,
    is_plain,
    misreads_follow_up,
    read_class_of_service,
    read_follow_up,
    write_class_of_service,
    write_extra_padding,
    write_tlv_header,
)

SHORT_REQUEST_BYTES = 14  # a TWAMP-Light sender without padding (RFC 5357 §4.1.2)
SHORT_REPLY_BYTES = 36  # what tells the probe; twampy leaves out MBZ and TTL and sends 38
TTL_REPLY_BYTES = 41  # the shortest reply that carries the TTL (RFC 5357 §4.2.1)
TTL_UNKNOWN = 255  # a reflector that could not read it (RFC 5357 §4.2)


_SENDER = np.dtype([("sequence", ">u4"), ("t1", ">u8"), ("error_estimate", ">u2"), ("ssid", ">u2")])
_REFLECTOR = np.dtype(
    [
        ("sequence", ">u4"),
        ("t3", ">u8"),
        ("error_estimate", ">u2"),
        ("ssid", ">u2"),
        ("t2", ">u8"),
        ("sender_sequence", ">u4"),
        ("sender_t1", ">u8"),
        ("sender_error_estimate", ">u2"),
        ("mbz_1", ">u2"),
        ("ttl", "u1"),
        ("mbz_2", "V3"),
    ]
)
_STAMP = np.dtype(">u8")
_RESERVED = np.uint64(0x0000_FFFF_00FF_FFFF)  # of octets 36 to 43
_ASKED = np.dtype("<u8")
_ASKED_BITS = {0: np.uint64((1 << 64) - 1), 8: np.uint64((1 << 48) - 1)}  # without the SSID
_TTL_AND_ZEROS = np.dtype("<u4")
assert _REFLECTOR.itemsize == BASE_BYTES


def write_sender_packets(
    buffer: NDArray[np.uint8],
    sequence: NDArray[np.uint32],
    sent_wall_ns: NDArray[np.int64] | int,
    error_estimate: int,
    ssid: int | NDArray[np.uint16] = 0,
    *,
    follow_up: bool = False,
    dscp_of_reply: int | None = None,
) -> None:
    """Write one Session-Sender packet into each row of `buffer` (uint8[n, size], size ≥ 44).

    `sequence` uint32[n], `sent_wall_ns` int64[n] or one for all (T1, NTP-64), `error_estimate` as
    from `encode_error_estimate`. `follow_up` puts an empty Follow-Up Telemetry TLV at byte 44
    (size ≥ 64), which asks the reflector for the true departure time of its previous reply.
    `dscp_of_reply` puts a Class of Service TLV behind it (size ≥ 72), which asks for the DSCP of
    the reply and for that which the request arrived with.
    What is left over becomes one Extra Padding TLV of zeros (RFC 8972 §4.1), or plain zeros when
    fewer than 4 bytes are left.
    """
    size = buffer.shape[1]
    end = BASE_BYTES + (FOLLOW_UP_BYTES if follow_up else 0)
    end += CLASS_OF_SERVICE_BYTES if dscp_of_reply is not None else 0
    assert size >= end, f"{size} bytes are too few for this STAMP packet of {end}"
    buffer[:, _SENDER.itemsize :] = 0
    packet = rows_through(buffer, 0, _SENDER)
    packet["sequence"] = sequence
    packet["t1"] = (
        wall_ns_to_ntp64(sent_wall_ns)
        if isinstance(sent_wall_ns, int)
        else wall_ns_to_ntp64_array(sent_wall_ns)
    )
    packet["error_estimate"] = error_estimate
    packet["ssid"] = ssid
    if follow_up:
        write_tlv_header(buffer, BASE_BYTES, FOLLOW_UP, FOLLOW_UP_BYTES - TLV_HEADER_BYTES)
    if dscp_of_reply is not None:
        write_class_of_service(buffer, dscp_of_reply)
    write_extra_padding(buffer, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorFields:
    """What n replies say; every array has shape [n].

    Where `valid` is False the other fields mean nothing. `odd` has the bits of
    `probes.stamp.nonconforming`: what cannot be true of a reply spoils its one-way delays, never
    the reply itself. `error_ns` (of T2 and T3) is NaN where the reflector's Error Estimate is
    invalid. `sender_ttl` is the TTL the request arrived with; NaN where the reply is too short to
    say, or says 0 or 255. `sender_tos` is the DSCP and ECN that it arrived with, -1 where the reply
    does not say (Class of Service TLV, RFC 8972 §4.4). `follow_up_sequence` is the reflector
    sequence number of the earlier reply that truly left at `follow_up_wall_ns`.
    """

    valid: NDArray[np.bool_]
    odd: NDArray[np.uint16]
    sequence: NDArray[np.uint32]
    receive_wall_ns: NDArray[np.int64]
    transmit_wall_ns: NDArray[np.int64]
    error_ns: NDArray[np.float64]
    synchronised: NDArray[np.bool_]
    ssid: NDArray[np.uint16]
    sender_sequence: NDArray[np.uint32]
    sender_ttl: NDArray[np.float32]
    sender_tos: NDArray[np.int16]
    follow_up_valid: NDArray[np.bool_]
    follow_up_sequence: NDArray[np.uint32]
    follow_up_wall_ns: NDArray[np.int64]


def read_reflector_packets(buffer: NDArray[np.uint8], length: NDArray[Any]) -> ReflectorFields:
    """Read the replies in the rows of `buffer` (uint8[n, capacity ≥ 44]), `length[i]` bytes each.

    A reply of 36 bytes or more is accepted (TWAMP-Light); bytes beyond `length` are not looked
    at. Raises nothing: rows that tell no probe have `valid` False.
    """
    packet = rows_through(buffer, 0, _REFLECTOR)
    estimate = packet["error_estimate"].astype(np.uint16)
    ptp = ptp_array(estimate)
    transmit_wall_ns, t3_valid = timestamps_to_wall_ns_array(packet["t3"].astype(np.uint64), ptp)
    receive_wall_ns, t2_valid = timestamps_to_wall_ns_array(packet["t2"].astype(np.uint64), ptp)
    valid = length >= SHORT_REPLY_BYTES
    ttl = packet["ttl"]
    has_ttl = length >= TTL_REPLY_BYTES
    ttl_known = has_ttl & (ttl != TTL_UNKNOWN) & (ttl != 0)
    odd = np.zeros(len(buffer), np.uint16)
    mark(odd, ~(t3_valid & t2_valid) | (packet["t3"] == 0) | (packet["t2"] == 0), TIMESTAMPS)
    mark(odd, (estimate & 0xFF) == 0, ERROR_ESTIMATE)
    mark(odd, has_ttl & (ttl == 0), TTL)
    mark(odd, (length >= BASE_BYTES) & (_last_octets(buffer) & _RESERVED != 0), RESERVED)
    follow_up_valid, follow_up_sequence, follow_up_wall_ns = read_follow_up(
        buffer, length, valid, ptp
    )
    return ReflectorFields(
        valid=valid,
        odd=odd,
        sequence=packet["sequence"].astype(np.uint32),
        receive_wall_ns=receive_wall_ns,
        transmit_wall_ns=transmit_wall_ns,
        error_ns=error_ns_of_array(estimate),
        synchronised=synchronised_array(estimate),
        ssid=packet["ssid"].astype(np.uint16),
        sender_sequence=packet["sender_sequence"].astype(np.uint32),
        sender_ttl=np.where(ttl_known, ttl, np.nan).astype(np.float32),
        sender_tos=read_class_of_service(buffer, length, valid),
        follow_up_valid=follow_up_valid,
        follow_up_sequence=follow_up_sequence,
        follow_up_wall_ns=follow_up_wall_ns,
    )


def note_extensions(
    fields: ReflectorFields, buffer: NDArray[np.uint8], length: NDArray[Any]
) -> None:
    """Mark replies to probes with Follow-Up Telemetry that bring it back in another form."""
    mark(fields.odd, misreads_follow_up(buffer, length), TLVS)


def _last_octets(buffer: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return octets 36 to 43 of each row as one number."""
    return rows_through(buffer, 36, _STAMP).astype(np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderFields:
    """What n requests say; every array has shape [n].

    `t1` uint64 and `estimate` uint16 are as on the wire: a reflector only copies them.
    `follow_up` marks those with an empty Follow-Up Telemetry TLV at byte 44. `plain` marks those
    whose further bytes need no other care: nothing, zeros, or Extra Padding to the end.
    """

    valid: NDArray[np.bool_]
    sequence: NDArray[np.uint32]
    t1: NDArray[np.uint64]
    estimate: NDArray[np.uint16]
    ssid: NDArray[np.uint16]
    follow_up: NDArray[np.bool_]
    plain: NDArray[np.bool_]

    @property
    def sent_wall_ns(self) -> NDArray[np.int64]:
        """When the requests were sent; a malformed PTP timestamp means nothing."""
        return timestamps_to_wall_ns_array(self.t1, ptp_array(self.estimate))[0]

    @property
    def error_ns(self) -> NDArray[np.float64]:
        """Return the error that the senders estimate of T1, NaN where they say nothing sound."""
        return error_ns_of_array(self.estimate)

    @property
    def synchronised(self) -> NDArray[np.bool_]:
        """Whether the senders' clocks follow UTC."""
        return synchronised_array(self.estimate)


def ssids(
    buffer: NDArray[np.uint8], length: NDArray[Any], row: NDArray[np.intp]
) -> NDArray[np.uint16]:
    """Return the SSIDs of unauthenticated requests, uint16[n]; 0 where they are too short."""
    given = buffer[row, 14:16].view(">u2")[:, 0].astype(np.uint16)
    return np.where(length[row] >= _SENDER.itemsize, given, 0).astype(np.uint16)


def authenticated_ssids(buffer: NDArray[np.uint8], row: NDArray[np.intp]) -> NDArray[np.uint16]:
    """Return the SSIDs of authenticated requests, uint16[n]."""
    return buffer[row, 26:28].view(">u2")[:, 0].astype(np.uint16)


def sequences(buffer: NDArray[np.uint8], row: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the sequence numbers of packets of any kind, int64[n]."""
    return buffer[row, :4].view(">u4")[:, 0].astype(np.int64)


def read_sender_packets(buffer: NDArray[np.uint8], length: NDArray[Any]) -> SenderFields:
    """Read the requests in the rows of `buffer` (uint8[n, capacity ≥ 44]), `length[i]` bytes each.

    A request of 14 bytes or more is accepted (TWAMP-Light); below 16 its SSID is 0. Raises nothing.
    """
    packet = rows_through(buffer, 0, _SENDER)
    follow_up = asks_follow_up(buffer, length)
    return SenderFields(
        valid=length >= SHORT_REQUEST_BYTES,
        sequence=packet["sequence"].astype(np.uint32),
        t1=packet["t1"].astype(np.uint64),
        estimate=packet["error_estimate"].astype(np.uint16),
        ssid=np.where(length >= _SENDER.itemsize, packet["ssid"], 0).astype(np.uint16),
        follow_up=follow_up,
        plain=is_plain(buffer, length, follow_up),
    )


def write_reflector_packets(
    buffer: NDArray[np.uint8],
    length: NDArray[Any],
    *,
    sequence: NDArray[np.uint32],
    receive_wall_ns: NDArray[np.int64],
    transmit_wall_ns: int,
    error_estimate: int,
    ttl: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Turn the requests in the rows of `buffer` into their replies, in place.

    Shapes: buffer uint8[n, capacity ≥ 44], all others [n]. `receive_wall_ns` is T2,
    `transmit_wall_ns` is T3 (refresh it with `write_transmit_time` just before sending), `ttl`
    is what the request arrived with, 255 where unknown. Returns the reply lengths, int64[n]: that
    of the request, at least 44 (RFC 8762 §4.3). TLVs are left as they came.
    """
    assert buffer.shape[1] >= BASE_BYTES
    short = np.flatnonzero(length < _SENDER.itemsize)
    buffer[short, SHORT_REQUEST_BYTES : _SENDER.itemsize] = 0  # no SSID was sent
    # What was asked, octets 0 to 13, moves by 24, two words at a time; zeros come after it.
    for start in (0, 8):
        asked = rows_through(buffer, start, _ASKED)
        rows_through(buffer, 24 + start, _ASKED)[:] = asked & _ASKED_BITS[start]
    rows_through(buffer, 40, _TTL_AND_ZEROS)[:] = ttl
    reply = rows_through(buffer, 0, _REFLECTOR)
    reply["sequence"] = sequence
    reply["error_estimate"] = error_estimate
    reply["t2"] = wall_ns_to_ntp64_array(receive_wall_ns)
    write_transmit_time(buffer, transmit_wall_ns)
    reply_length: NDArray[np.int64] = np.maximum(length, BASE_BYTES).astype(np.int64)
    return reply_length


def write_transmit_time(buffer: NDArray[np.uint8], transmit_wall_ns: int) -> None:
    """Write one T3 into every reply of `buffer`: the last thing done before they are sent."""
    rows_through(buffer, 4, _STAMP)[:] = wall_ns_to_ntp64(transmit_wall_ns)


def write_error_estimate(
    buffer: NDArray[np.uint8], rows: NDArray[np.bool_], error_estimate: int
) -> None:
    """Write one Error Estimate of T2 and T3 into the replies that `rows` bool[n] marks."""
    rows_through(buffer, 0, _REFLECTOR)["error_estimate"][rows] = error_estimate
