"""Requests of senders that are known already, answered without numpy.

A call of numpy costs as much for one row as for a hundred, and most requests reach a reflector one
at a time. Who was admitted and answered before as one of many (`probes.reflector.reflection`) is
remembered with his session, and his next plain requests are answered from that, octet for octet as
among many.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.addresses import unpack_address
from probes.reflector.context import Moment
from probes.reflector.sessions import SessionTable
from probes.stamp import tlv as stamp_tlv
from probes.stamp.batch import TTL_UNKNOWN
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.timestamps import wall_ns_to_ntp64
from probes.stamp.tlv_batch import FOLLOW_UP_BYTES, TLV_HEADER_BYTES

MOST_KNOWN = 4096  # of one listener; when there are more, all are learnt again
_ASKED_BYTES = 14  # of a request that the reply repeats: number, T1, Error Estimate
_SSID, _AUTHENTICATED_SSID = slice(14, 16), slice(26, 28)  # of authenticated packets
# number, T3, Error Estimate, SSID, T2, what was asked, TTL (RFC 8762 §4.3.1)
_REPLY = struct.Struct("!IQH2sQ14s2xB3x")
_T3 = struct.Struct("!Q")
_FOLLOW_UP = struct.Struct("!BBHIQB3x")
_FOLLOW_UP_HEADER = bytes([stamp_tlv.FOLLOW_UP_TELEMETRY, 0, FOLLOW_UP_BYTES - TLV_HEADER_BYTES])


@dataclass(frozen=True, slots=True)
class KnownSender:
    """A session: its slot, its address as Python's sockets have it, its bucket of the limit for
    single sources (-1 without such a limit), and the keys it must ask under, if any."""

    slot: int
    address: tuple[Any, ...]
    bucket: int
    keys: tuple[bytes, ...] | None = None


def sender_key(address: bytes, payload: bytes, *, authenticated: bool = False) -> bytes:
    """Return what a session is known by at one listener: address, port and SSID.

    `authenticated`: it has to authenticate itself, and its packets are laid out for that.
    """
    return address + payload[_AUTHENTICATED_SSID if authenticated else _SSID]


def asks_follow_up(request: bytes) -> bool | None:
    """Tell whether a request asks for Follow-Up Telemetry; None if it has to be answered with care:
    it is short, or has other TLVs than that one and padding to the end."""
    size, end = len(request), BASE_BYTES
    if size == end:
        return False
    follow_up = size >= end + FOLLOW_UP_BYTES and request[end + 1 : end + 4] == _FOLLOW_UP_HEADER
    if follow_up:
        end += FOLLOW_UP_BYTES
    if size == end:
        return True
    left = size - end - TLV_HEADER_BYTES
    padded = left >= 0 and request[end + 1 : end + 4] == struct.pack(
        "!BH", stamp_tlv.EXTRA_PADDING, left & 0xFFFF
    )
    return follow_up if padded else None


def reply_to(
    request: bytes,
    sender: KnownSender,
    sessions: SessionTable,
    moment: Moment,
    receive_wall_ns: int,
    ttl: int,
    *,
    follow_up: bool,
) -> tuple[bytearray, int]:
    """Return the reply (T3 still zero) and its sequence number; `ttl` 0 is unknown."""
    sequence = sessions.next_sequence(sender.slot, moment.now_ns)
    reply = bytearray(request)
    _REPLY.pack_into(
        reply,
        0,
        sequence,
        0,
        moment.estimates.exact if follow_up else moment.estimates.early,
        request[_SSID],
        wall_ns_to_ntp64(receive_wall_ns),
        request[:_ASKED_BYTES],
        ttl or TTL_UNKNOWN,
    )
    end = BASE_BYTES
    if follow_up:
        number, left_ns = sessions.take_tx_time(sender.slot)
        told = (
            (number, wall_ns_to_ntp64(left_ns), stamp_tlv.METHOD_SOFTWARE) if left_ns else (0, 0, 0)
        )
        _FOLLOW_UP.pack_into(
            reply,
            end,
            0,
            stamp_tlv.FOLLOW_UP_TELEMETRY,
            FOLLOW_UP_BYTES - TLV_HEADER_BYTES,
            *told,
        )
        end += FOLLOW_UP_BYTES
    if len(reply) > end:
        reply[end] = 0  # the padding's U flag: understood
    return reply, sequence


def write_t3(reply: bytearray, wall_ns: int) -> None:
    """Write T3: the last thing done before a reply is sent."""
    _T3.pack_into(reply, 4, wall_ns_to_ntp64(wall_ns))


class KnownSenders:
    """The senders that one listener knows."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownSender] = {}
        self._under: object = None

    def hold_under(self, under: object) -> None:
        """Forget all unless `under` (limits and sessions that slots and buckets belong to) is what
        it was."""
        if self._under != under:
            self._known, self._under = {}, under

    def find(
        self, address: bytes, payload: bytes, *, authenticated: bool = False
    ) -> KnownSender | None:
        """Return who sent a request, None if he is not known."""
        return self._known.get(address + payload[_AUTHENTICATED_SSID if authenticated else _SSID])

    def learn(
        self,
        slot: NDArray[np.int64],
        address: NDArray[np.uint8],
        payload: NDArray[np.uint8],
        bucket: NDArray[np.int64],
        keys: Sequence[tuple[bytes, ...]] | None,
    ) -> None:
        """Remember who sent the few requests that were answered, with the slots of their sessions
        and the keys that are required of them."""
        if len(self._known) + len(slot) > MOST_KNOWN:
            self._known = {}
        for index, (raw, name) in enumerate(
            keys_of(address, payload, authenticated=keys is not None)
        ):
            self._known[name] = KnownSender(
                int(slot[index]),
                unpack_address(raw),
                int(bucket[index]),
                None if keys is None else keys[index],
            )


def keys_of(
    address: NDArray[np.uint8], payload: NDArray[np.uint8], *, authenticated: bool = False
) -> list[tuple[bytes, bytes]]:
    """Return (sockaddr, what it is known by) of each of a few requests."""
    found = []
    for row in range(len(address)):
        raw = address[row].tobytes()
        raw = raw[:16] if int.from_bytes(raw[:2], "little") == socket.AF_INET else raw
        found.append(
            (raw, sender_key(raw, payload[row, :28].tobytes(), authenticated=authenticated))
        )
    return found
