"""STAMP packets one by one: RFC 8762 in both modes, with the SSID of RFC 8972. Pure.

Unauthenticated packets are drawn in probes/stamp/batch.py, which writes and reads them by the
thousand; its functions are offered here too, so that this module is the codec's front door.
The authenticated ones (RFC 8762 §4.2.2, §4.3.2), 112 octets:

    Session-Sender                             Session-Reflector
     0  Sequence Number        4  MBZ 12        0  Sequence Number          4  MBZ 12
    16  Timestamp T1           8               16  Timestamp T3             8
    24  Error Estimate         2               24  Error Estimate           2
    26  SSID                   2  MBZ 68       26  SSID                     2  MBZ 4
    96  HMAC                  16               32  Receive Timestamp T2     8  MBZ 8
                                               48  Session-Sender Sequence  4  MBZ 12
                                               64  Session-Sender Timestamp 8
                                               72  Session-Sender Error E.  2  MBZ 6
                                               80  Session-Sender TTL       1  MBZ 15
                                               96  HMAC                    16

The HMAC is HMAC-SHA-256 cut to its first 16 octets, over octets 0–95, zeros included
(RFC 8762 §4.4).
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass

from foundation.errors import LocalProtocolError, RemoteProtocolError
from probes.stamp.batch import (
    SHORT_REPLY_BYTES,
    SHORT_REQUEST_BYTES,
    TTL_REPLY_BYTES,
    TTL_UNKNOWN,
    ReflectorFields,
    SenderFields,
    read_reflector_packets,
    read_sender_packets,
    write_reflector_packets,
    write_sender_packets,
    write_transmit_time,
)
from probes.stamp.sizes import STAMP_AUTHENTICATED_BYTES as AUTHENTICATED_BYTES
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.timestamps import timestamp_to_wall_ns
from probes.stamp.tlv_batch import FOLLOW_UP_BYTES, accept_padding, write_follow_up

__all__ = [
    "AUTHENTICATED_BYTES",
    "BASE_BYTES",
    "FOLLOW_UP_BYTES",
    "SHORT_REPLY_BYTES",
    "SHORT_REQUEST_BYTES",
    "ReflectorFields",
    "ReflectorPacket",
    "SenderFields",
    "SenderPacket",
    "accept_padding",
    "decode_reflector",
    "decode_sender",
    "digest",
    "encode_reflector",
    "encode_sender",
    "is_genuine",
    "read_reflector_packets",
    "read_sender_packets",
    "write_follow_up",
    "write_reflector_packets",
    "write_sender_packets",
    "write_transmit_time",
]

HMAC_BYTES = 16
_COVERED_BYTES = 96

_SENDER = struct.Struct("!IQHH28x")
_REFLECTOR = struct.Struct("!IQHHQIQHHB3x")
_SENDER_AUTHENTICATED = struct.Struct("!I12xQHH68x")
_REFLECTOR_AUTHENTICATED = struct.Struct("!I12xQHH4xQ8xI12xQH6xB15x")


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPacket:
    """A Session-Sender test packet.

    `t1` is the 64-bit timestamp as on the wire, in the format of `error_estimate`'s Z bit; `rest`
    is what follows the base packet: TLVs, or the padding of a TWAMP-Light sender.
    """

    sequence: int
    t1: int
    error_estimate: int
    ssid: int = 0
    rest: bytes = b""

    @property
    def sent_wall_ns(self) -> int:
        """T1 as a moment. Raises RemoteProtocolError for a malformed PTP timestamp."""
        return timestamp_to_wall_ns(self.t1, self.error_estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorPacket:
    """A Session-Reflector test packet; timestamps as on the wire.

    `error_estimate` is about T2 and T3 alike. `sender_ttl` is None where the reflector does not
    know it, or its packet is too short to say.
    """

    sequence: int
    t3: int
    error_estimate: int
    t2: int
    sender_sequence: int
    sender_t1: int
    sender_error_estimate: int
    sender_ttl: int | None = None
    ssid: int = 0
    rest: bytes = b""

    @property
    def receive_wall_ns(self) -> int:
        """T2 as a moment. Raises RemoteProtocolError for a malformed PTP timestamp."""
        return timestamp_to_wall_ns(self.t2, self.error_estimate)

    @property
    def transmit_wall_ns(self) -> int:
        """T3 as a moment. Raises RemoteProtocolError for a malformed PTP timestamp."""
        return timestamp_to_wall_ns(self.t3, self.error_estimate)


def digest(key: bytes, covered: bytes) -> bytes:
    """Return HMAC-SHA-256 of `covered`, cut to 128 bits (RFC 8762 §4.4)."""
    return hmac.digest(key, covered, "sha256")[:HMAC_BYTES]


def encode_sender(packet: SenderPacket, key: bytes | None = None) -> bytes:
    """Return the octets of a request: 44 and more, or with a key 112 and more.

    Raises LocalProtocolError when a field does not fit.
    """
    fields = packet.sequence, packet.t1, packet.error_estimate, packet.ssid
    if key is None:
        return _pack(_SENDER, *fields) + packet.rest
    base = _pack(_SENDER_AUTHENTICATED, *fields)
    return base + digest(key, base) + packet.rest


def decode_sender(data: bytes, key: bytes | None = None) -> SenderPacket:
    """Return what a request says; unauthenticated ones may be as short as 14 octets.

    Raises RemoteProtocolError when it is too short, or the HMAC is not that of `key`.
    """
    if key is not None:
        base = _verified(data, key)
        sequence, t1, estimate, ssid = _SENDER_AUTHENTICATED.unpack(base)
        rest = data[AUTHENTICATED_BYTES:]
    else:
        _require(data, SHORT_REQUEST_BYTES)
        # Without octets 14 and 15 there is no SSID; a cut SSID is none either.
        whole = data[:BASE_BYTES] if len(data) >= 16 else data[:SHORT_REQUEST_BYTES]
        sequence, t1, estimate, ssid = _SENDER.unpack(whole.ljust(BASE_BYTES, b"\0"))
        rest = data[BASE_BYTES:]
    return SenderPacket(sequence=sequence, t1=t1, error_estimate=estimate, ssid=ssid, rest=rest)


def encode_reflector(packet: ReflectorPacket, key: bytes | None = None) -> bytes:
    """Return the octets of a reply: 44 and more, or with a key 112 and more.

    Raises LocalProtocolError when a field does not fit.
    """
    ttl = TTL_UNKNOWN if packet.sender_ttl is None else packet.sender_ttl
    head = packet.sequence, packet.t3, packet.error_estimate, packet.ssid, packet.t2
    copied = packet.sender_sequence, packet.sender_t1, packet.sender_error_estimate
    if key is None:
        return _pack(_REFLECTOR, *head, *copied, 0, ttl) + packet.rest
    base = _pack(_REFLECTOR_AUTHENTICATED, *head, *copied, ttl)
    return base + digest(key, base) + packet.rest


def decode_reflector(data: bytes, key: bytes | None = None) -> ReflectorPacket:
    """Return what a reply says; unauthenticated ones may be as short as 36 octets.

    Raises RemoteProtocolError when it is too short, or the HMAC is not that of `key`.
    """
    if key is not None:
        base = _verified(data, key)
        fields = _REFLECTOR_AUTHENTICATED.unpack(base)
        *most, ttl = fields
        rest, ttl_given = data[AUTHENTICATED_BYTES:], True
    else:
        _require(data, SHORT_REPLY_BYTES)
        *most, _, ttl = _REFLECTOR.unpack(data[:BASE_BYTES].ljust(BASE_BYTES, b"\0"))
        rest, ttl_given = data[BASE_BYTES:], len(data) >= TTL_REPLY_BYTES
    sequence, t3, estimate, ssid, t2, sender_sequence, sender_t1, sender_estimate = most
    return ReflectorPacket(
        sequence=sequence,
        t3=t3,
        error_estimate=estimate,
        ssid=ssid,
        t2=t2,
        sender_sequence=sender_sequence,
        sender_t1=sender_t1,
        sender_error_estimate=sender_estimate,
        sender_ttl=ttl if ttl_given and ttl not in (0, TTL_UNKNOWN) else None,
        rest=rest,
    )


def _pack(layout: struct.Struct, *fields: int) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise LocalProtocolError(
            f"a field does not fit into a STAMP packet: {error}",
            f"字段超出 STAMP 报文范围：{error}",
        ) from error


def _require(data: bytes, least_bytes: int) -> None:
    if len(data) < least_bytes:
        raise RemoteProtocolError(
            f"a STAMP packet of {len(data)} octets is too short; {least_bytes} are needed",
            f"STAMP 报文仅 {len(data)} 字节，至少应为 {least_bytes} 字节",
        )


def is_genuine(data: bytes, key: bytes) -> bool:
    """Tell whether an authenticated packet is long enough and its HMAC is that of `key`."""
    if len(data) < AUTHENTICATED_BYTES:
        return False
    given = data[_COVERED_BYTES:AUTHENTICATED_BYTES]
    return hmac.compare_digest(digest(key, data[:_COVERED_BYTES]), given)


def _verified(data: bytes, key: bytes) -> bytes:
    """Return the 96 covered octets of an authenticated packet whose HMAC is right."""
    _require(data, AUTHENTICATED_BYTES)
    if not is_genuine(data, key):
        raise RemoteProtocolError(
            "the HMAC of a STAMP packet is wrong: another key, or the packet was changed",
            "STAMP 报文的 HMAC 校验失败：密钥不同，或报文被改动",
        )
    return data[:_COVERED_BYTES]
