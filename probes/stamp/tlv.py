"""The TLVs of RFC 8972: parsing, building, and what a Session-Reflector does to them. Pure.

    ┌─┬─┬─┬─────────┬──────────┬────────────────────┬─────────┐   U  not understood
    │U│M│I│ reserved│ Type (8) │ Length of Value (16)│ Value … │   M  malformed
    └─┴─┴─┴─────────┴──────────┴────────────────────┴─────────┘   I  integrity check failed

A sender sets U and clears M and I (§4). A reflector clears U where it understands the type, sets
M and stops at a TLV it cannot parse, and sets I in every TLV when the HMAC TLV fails.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from foundation.errors import LocalProtocolError, RemoteProtocolError
from probes.stamp.packet import HMAC_BYTES, digest

EXTRA_PADDING = 1
TIMESTAMP_INFORMATION = 3
CLASS_OF_SERVICE = 4
DIRECT_MEASUREMENT = 5
ACCESS_REPORT = 6
FOLLOW_UP_TELEMETRY = 7
HMAC = 8

SYNC_NTP, SYNC_PTP, SYNC_SSU_BITS, SYNC_GNSS, SYNC_LOCAL = 1, 2, 3, 4, 5  # RFC 8972 Table 7
METHOD_HARDWARE, METHOD_SOFTWARE, METHOD_CONTROL_PLANE = 1, 2, 3  # RFC 8972 Table 9

_U, _M, _I = 0x80, 0x40, 0x20
_HEADER = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tlv:
    """One TLV of any type, known or not; `value` as on the wire.

    A `malformed` TLV is the last one: `value` is whatever followed its type octet, its Length
    field (if there was one) included, so that it can be written back as it came.
    """

    type: int
    value: bytes = b""
    unrecognised: bool = True
    malformed: bool = False
    failed: bool = False

    def encode(self) -> bytes:
        """Return its octets. Raises LocalProtocolError when the value exceeds 65,535 octets."""
        flags = (_U * self.unrecognised) | (_M * self.malformed) | (_I * self.failed)
        if self.malformed:
            return bytes([flags, self.type]) + self.value
        if len(self.value) > 0xFFFF:
            raise LocalProtocolError(
                f"a TLV value of {len(self.value)} octets does not fit",
                f"TLV 值长度 {len(self.value)} 字节，超出上限",
            )
        return _HEADER.pack(flags, self.type, len(self.value)) + self.value


def encode_tlvs(tlvs: Sequence[Tlv]) -> bytes:
    """Return the octets of TLVs one after another."""
    return b"".join(tlv.encode() for tlv in tlvs)


def decode_tlvs(data: bytes) -> tuple[Tlv, ...]:
    """Return the TLVs that follow a base packet; a length past the end ends them as malformed.

    A TLV that came with M set is kept as malformed, and nothing after it is parsed. Raises
    RemoteProtocolError only for a single trailing octet, which cannot even hold a type.
    """
    tlvs = []
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise RemoteProtocolError(
                "one octet too many follows the TLVs of a STAMP packet",
                "STAMP 报文的 TLV 之后多出一个字节",
            )
        flags, kind = data[at], data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + _HEADER.size + length
        malformed = bool(flags & _M) or len(data) - at < _HEADER.size or end > len(data)
        value = data[at + 2 :] if malformed else data[at + _HEADER.size : end]
        tlvs.append(
            Tlv(
                type=kind,
                value=value,
                unrecognised=bool(flags & _U),
                malformed=malformed,
                failed=bool(flags & _I),
            )
        )
        if malformed:
            break
        at = end
    return tuple(tlvs)


class _Packed:
    """A value whose fields, in order, are those of its layout."""

    __slots__ = ()
    TYPE: ClassVar[int]
    LAYOUT: ClassVar[struct.Struct]

    def to_tlv(self) -> Tlv:
        """Return the TLV as a sender writes it (U set). Raises LocalProtocolError on overflow."""
        fields = [getattr(self, name) for name in self.__dataclass_fields__]  # type: ignore[attr-defined]  # all heirs are dataclasses
        try:
            return Tlv(type=self.TYPE, value=self.LAYOUT.pack(*fields))
        except struct.error as error:
            raise LocalProtocolError(
                f"a field does not fit into its TLV: {error}", f"字段超出 TLV 范围：{error}"
            ) from error

    @classmethod
    def from_tlv(cls, tlv: Tlv) -> Self:
        """Return the value of a TLV. Raises RemoteProtocolError for a wrong type or length."""
        if tlv.malformed or tlv.type != cls.TYPE or len(tlv.value) != cls.LAYOUT.size:
            raise RemoteProtocolError(
                f"a TLV of type {tlv.type} with {len(tlv.value)} octets is not a valid "
                f"{cls.__name__}",
                f"类型 {tlv.type}、长度 {len(tlv.value)} 的 TLV 不是 {cls.__name__}",
            )
        return cls(*cls.LAYOUT.unpack(tlv.value))


@dataclass(frozen=True, slots=True)
class TimestampInformation(_Packed):
    """How each side's clock is synchronised and its timestamps are taken (§4.3)."""

    TYPE = TIMESTAMP_INFORMATION
    LAYOUT = struct.Struct("!BBBB")
    sync_source_in: int = 0
    method_in: int = 0
    sync_source_out: int = 0
    method_out: int = 0


@dataclass(frozen=True, slots=True)
class ClassOfService(_Packed):
    """DSCP asked for and DSCP received (§4.4); see `of` for the fields behind the 32 bits.

    `bits`: DSCP1 (6) │ DSCP2 (6) │ ECN (2) │ RP (2) │ reserved (16).
    """

    TYPE = CLASS_OF_SERVICE
    LAYOUT = struct.Struct("!I")
    bits: int

    @classmethod
    def of(cls, *, asked: int, received: int = 0, ecn: int = 0, reverse_path: int = 0) -> Self:
        """Return the value with these fields: DSCP 0–63, ECN and RP 0–3."""
        return cls(asked << 26 | received << 20 | ecn << 18 | reverse_path << 16)

    @property
    def asked(self) -> int:
        """DSCP1: what the sender wants the reply to carry."""
        return self.bits >> 26

    @property
    def received(self) -> int:
        """DSCP2: what the request arrived with at the reflector."""
        return self.bits >> 20 & 0x3F

    @property
    def ecn(self) -> int:
        """The ECN the request arrived with."""
        return self.bits >> 18 & 3

    @property
    def reverse_path(self) -> int:
        """RP: 1 where the reflector's policy refused DSCP1."""
        return self.bits >> 16 & 3


@dataclass(frozen=True, slots=True)
class DirectMeasurement(_Packed):
    """Counters of in-profile packets (§4.5): sender's sent, reflector's received and sent."""

    TYPE = DIRECT_MEASUREMENT
    LAYOUT = struct.Struct("!III")
    sender_sent: int
    reflector_received: int = 0
    reflector_sent: int = 0


@dataclass(frozen=True, slots=True)
class AccessReport(_Packed):
    """Which access (4 bits: 1 3GPP, 2 non-3GPP) is available (return code 1) or not (2) (§4.6)."""

    TYPE = ACCESS_REPORT
    LAYOUT = struct.Struct("!BBH")
    access_bits: int
    return_code: int
    reserved: int = 0

    @property
    def access(self) -> int:
        """The access identifier."""
        return self.access_bits >> 4


@dataclass(frozen=True, slots=True)
class FollowUpTelemetry(_Packed):
    """When an earlier reply truly left: its sequence number, timestamp and method (§4.7)."""

    TYPE = FOLLOW_UP_TELEMETRY
    LAYOUT = struct.Struct("!IQB3x")
    sequence: int = 0
    timestamp: int = 0
    method: int = 0


def hmac_tlv(key: bytes, sequence: int, preceding: Sequence[Tlv]) -> Tlv:
    """Return the HMAC TLV that protects `preceding` in the packet numbered `sequence` (§4.8)."""
    return Tlv(type=HMAC, value=digest(key, sequence.to_bytes(4, "big") + encode_tlvs(preceding)))


def check_tlvs(tlvs: Sequence[Tlv], key: bytes | None, sequence: int, *, required: bool) -> bool:
    """Tell whether the TLVs' integrity holds (§4.8).

    An HMAC TLV must be right under `key`, and nothing but Extra Padding may follow it. Without
    one, integrity fails only where it is `required` (authenticated mode) and there is a TLV
    other than Extra Padding. Without a key nothing can be checked, so an HMAC TLV fails.
    """
    place = next((i for i, tlv in enumerate(tlvs) if tlv.type == HMAC), None)
    if place is None:
        return not (required and any(tlv.type != EXTRA_PADDING for tlv in tlvs))
    if key is None or any(tlv.type != EXTRA_PADDING for tlv in tlvs[place + 1 :]):
        return False
    right = hmac_tlv(key, sequence, tlvs[:place])
    given = tlvs[place]
    return len(given.value) == HMAC_BYTES and hmac.compare_digest(right.value, given.value)


def reflect_tlvs(
    tlvs: Sequence[Tlv],
    answers: dict[int, Callable[[Tlv], Tlv]],
    *,
    key: bytes | None,
    sender_sequence: int,
    sequence: int,
    authenticated: bool,
) -> tuple[Tlv, ...]:
    """Return a reflector's TLVs for a request's, in the same order and of the same length.

    `answers` maps each type we understand to what fills its value (which may raise
    RemoteProtocolError: then it is marked malformed and what follows is copied). Where integrity
    fails every TLV is copied with I set, and the packet is still reflected. `sequence` is the
    reply's number, which the new HMAC covers.
    """
    if not check_tlvs(tlvs, key, sender_sequence, required=authenticated):
        return tuple(replace(tlv, failed=True) for tlv in tlvs)
    reply: list[Tlv] = []
    for place, tlv in enumerate(tlvs):
        if tlv.malformed:
            reply.append(tlv)
        elif tlv.type == HMAC and key is not None:
            reply.append(replace(hmac_tlv(key, sequence, reply), unrecognised=False))
        elif tlv.type not in answers:
            reply.append(replace(tlv, unrecognised=True))
        else:
            try:
                reply.append(replace(answers[tlv.type](tlv), unrecognised=False))
            except RemoteProtocolError:
                whole = _HEADER.pack(0, 0, len(tlv.value))[2:] + tlv.value
                reply.append(replace(tlv, malformed=True, value=whole))
                reply.extend(tlvs[place + 1 :])
                break
    return tuple(reply)


def usable_tlvs(tlvs: Sequence[Tlv]) -> tuple[Tlv, ...]:
    """Return those TLVs of a reply that a sender may use (§4): none where any has I set, none
    from a malformed one on, and none that the reflector did not understand."""
    if any(tlv.failed for tlv in tlvs):
        return ()
    usable = []
    for tlv in tlvs:
        if tlv.malformed:
            break
        if not tlv.unrecognised:
            usable.append(tlv)
    return tuple(usable)
