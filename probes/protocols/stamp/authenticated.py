"""STAMP's authenticated mode for a sender: columns, and one digest a packet.

The authenticated packets (drawn in probes/stamp/packet.py) hold the fields of the unauthenticated
ones farther apart. They are written and read as those, and moved; what cannot be done in columns is
the HMAC: some 2 µs for each. Probes of 152 octets and more ask for Follow-Up Telemetry, which has
an HMAC TLV of its own (RFC 8972 §4.8):

    112  Follow-Up Telemetry TLV   20
    132  HMAC TLV                  20
    152  Extra Padding
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import Outgoing, ReplyFields
from probes.channels.discarded import ALTERED, TRUNCATED
from probes.protocols.stamp.codec import StampCodec
from probes.sockets.batch import Received
from probes.stamp.packet import HMAC_BYTES, digest
from probes.stamp.sizes import STAMP_AUTHENTICATED_BYTES as AUTHENTICATED_BYTES
from probes.stamp.sizes import STAMP_BASE_BYTES as BASE_BYTES
from probes.stamp.tlv import HMAC
from probes.stamp.tlv_batch import (
    FOLLOW_UP_BYTES,
    TLV_HEADER_BYTES,
    write_extra_padding,
    write_tlv_header,
)

_COVERED_BYTES = 96  # RFC 8762 §4.4
_SENDER_SEQUENCE_AT = 48  # of a reply (§4.3.2)
_HMAC_AT = AUTHENTICATED_BYTES + FOLLOW_UP_BYTES
_HMAC_VALUE_AT = _HMAC_AT + TLV_HEADER_BYTES
_WITH_FOLLOW_UP_BYTES = _HMAC_VALUE_AT + HMAC_BYTES
_UNDERSTOOD_HMAC = bytes([0, HMAC, 0, HMAC_BYTES])  # header of the reply's
# (from, to) octets of the unauthenticated packet, and where they are in the authenticated one.
_SENDER = ((0, 4, 0), (4, 16, 16))
_REFLECTOR = ((0, 4, 0), (4, 16, 16), (16, 24, 32), (24, 28, 48), (28, 38, 64), (40, 41, 80))


class AuthenticatedCodec(StampCodec):
    """STAMP under a key for each peer: a reply must repeat the probe's timestamp and have the right
    HMAC."""

    lenient = False
    signs = True

    def __init__(self, payload_bytes: int, ssid: int) -> None:
        asks = payload_bytes >= _WITH_FOLLOW_UP_BYTES
        self._plain_bytes = BASE_BYTES + (FOLLOW_UP_BYTES if asks else 0)
        super().__init__(self._plain_bytes, ssid)
        self.bytes_a_probe = max(payload_bytes, AUTHENTICATED_BYTES)
        self._key_of: dict[int, bytes] = {}  # by session
        self._keys_from: dict[bytes, tuple[bytes, ...]] = {}  # by peer, the newest first
        self.forged = 0  # replies whose HMAC was wrong

    def use_keys(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Use a key for each session towards the sockaddrs uint8[n, 28].

        None leaves a session the key it has. Probes that are under way when a peer's key changes
        are answered under the one before, which is still believed.
        """
        before = self._keys_from
        self._key_of, self._keys_from = {}, {}
        for number, peer, key in zip(session.tolist(), _peers(address), keys, strict=True):
            known = before.get(peer, ())
            if key is not None and known[:1] != (key,):
                known = (key, *known[:1])
            self._keys_from[peer] = known
            if known:
                self._key_of[number] = known[0]

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write Session-Sender packets with their HMACs; their check is T1."""
        plain = np.zeros((len(packets), self._plain_bytes), np.uint8)
        check = super().write(plain, probes)
        packets[:] = 0
        for start, end, to in _SENDER:
            packets[:, to : to + end - start] = plain[:, start:end]
        end = AUTHENTICATED_BYTES
        if self._follow_up:
            end = _WITH_FOLLOW_UP_BYTES
            packets[:, AUTHENTICATED_BYTES:_HMAC_AT] = plain[:, BASE_BYTES:]
            write_tlv_header(packets, _HMAC_AT, HMAC, HMAC_BYTES)
        for row, session in zip(packets, probes.session.tolist(), strict=True):
            key = self._key_of[session]
            octets = digest(key, row[:_COVERED_BYTES].tobytes())
            row[_COVERED_BYTES:AUTHENTICATED_BYTES] = np.frombuffer(octets, np.uint8)
            if self._follow_up:
                octets = digest(key, _covered_of_tlvs(row[:_HMAC_AT].tobytes()))
                row[_HMAC_VALUE_AT:_WITH_FOLLOW_UP_BYTES] = np.frombuffer(octets, np.uint8)
        write_extra_padding(packets, end)
        return check

    def read(self, received: Received) -> ReplyFields:
        """Read Session-Reflector packets; what has a wrong HMAC is not valid, and Follow-Up
        Telemetry without its own right one is left out."""
        packets, peers = received.payload, _peers(received.address)
        plain_length = np.zeros(len(packets), np.int64)
        for place in np.flatnonzero(received.length >= AUTHENTICATED_BYTES).tolist():
            size = min(int(received.length[place]), _WITH_FOLLOW_UP_BYTES)
            packet = packets[place, :size].tobytes()
            for key in self._keys_from.get(peers[place], ()):
                if _is_genuine(packet, key):
                    tells = self._follow_up and _has_follow_up(packet, key)
                    plain_length[place] = self._plain_bytes if tells else BASE_BYTES
                    break
        self.forged += int(np.count_nonzero(plain_length == 0))
        plain = np.zeros((len(packets), self._plain_bytes), np.uint8)
        for start, end, to in _REFLECTOR:
            plain[:, start:end] = packets[:, to : to + end - start]
        if self._follow_up:
            plain[:, BASE_BYTES:] = packets[:, AUTHENTICATED_BYTES:_HMAC_AT]
        said = super().read(replace(received, payload=plain, length=plain_length))
        whole = received.length >= AUTHENTICATED_BYTES
        return replace(said, fault=np.where(whole, ALTERED, TRUNCATED).astype(np.uint8))

    def number_in(self, received: Received) -> tuple[NDArray[np.int64], int]:
        """Return the senders' sequence numbers, where replies reach so far."""
        octets = received.payload[:, _SENDER_SEQUENCE_AT : _SENDER_SEQUENCE_AT + 4]
        number = octets.view(">u4")[:, 0].astype(np.int64)
        return np.where(received.length >= _SENDER_SEQUENCE_AT + 4, number, -1), 32


def _is_genuine(packet: bytes, key: bytes) -> bool:
    given = packet[_COVERED_BYTES:AUTHENTICATED_BYTES]
    return hmac.compare_digest(digest(key, packet[:_COVERED_BYTES]), given)


def _has_follow_up(packet: bytes, key: bytes) -> bool:
    """Tell whether a reply has Follow-Up Telemetry with a right HMAC of its own."""
    if packet[_HMAC_AT:_HMAC_VALUE_AT] != _UNDERSTOOD_HMAC:
        return False
    given = packet[_HMAC_VALUE_AT:_WITH_FOLLOW_UP_BYTES]
    return hmac.compare_digest(digest(key, _covered_of_tlvs(packet)), given)


def _covered_of_tlvs(packet: bytes) -> bytes:
    """Return what the HMAC TLV covers: the sequence number and the TLVs before it (§4.8)."""
    return packet[:4] + packet[AUTHENTICATED_BYTES:_HMAC_AT]


def _peers(address: NDArray[np.uint8]) -> list[bytes]:
    """Return port, address and zone of each sockaddr (uint8[n, 28])."""
    rows = [row.tobytes() for row in address]
    return [
        raw[2:4] + raw[8:28] if raw[0] == socket.AF_INET6 else raw[2:8]  # little endian, as Linux
        for raw in rows
    ]
