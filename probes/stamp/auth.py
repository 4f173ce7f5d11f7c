"""STAMP's authenticated mode for a sender: columns, and one digest a packet.

The authenticated packets (drawn in probes/stamp/packet.py) hold the fields of the unauthenticated
ones farther apart. They are written and read as those, and moved; what cannot be done in columns is
the HMAC: some 2 µs for each packet.
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from probes.engine.codecs import Outgoing, Said, StampCodec
from probes.sockets.batch import Received
from probes.stamp.packet import AUTHENTICATED_BYTES, digest
from probes.stamp.tlv_batch import write_extra_padding
from probes.stream import STAMP_BASE_BYTES as BASE_BYTES

_COVERED_BYTES = 96  # RFC 8762 §4.4
# (from, to) octets of the unauthenticated packet, and where they stand in the authenticated one.
_SENDER = ((0, 4, 0), (4, 16, 16))
_REFLECTOR = ((0, 4, 0), (4, 16, 16), (16, 24, 32), (24, 28, 48), (28, 38, 64), (40, 41, 80))


class AuthenticatedCodec(StampCodec):
    """STAMP under a key for each peer: a reply must repeat the probe's timestamp and have the right
    HMAC."""

    def __init__(self, payload_bytes: int, ssid: int) -> None:
        # Other TLVs than padding would need an HMAC of their own (RFC 8972 §4.8): none is asked.
        super().__init__(BASE_BYTES, ssid)
        self.bytes_a_probe = max(payload_bytes, AUTHENTICATED_BYTES)
        self._key_of: dict[int, bytes] = {}  # by session
        self._keys_from: dict[bytes, tuple[bytes, ...]] = {}  # by peer, the newest first
        self.forged = 0  # replies whose HMAC was wrong

    def set_peers(
        self,
        session: NDArray[np.int64],
        address: NDArray[np.uint8],
        keys: Sequence[bytes | None],
    ) -> None:
        """Tell which sessions use the channel, the sockaddr of each (uint8[n, 28]) and its key.

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
        plain = np.zeros((len(packets), BASE_BYTES), np.uint8)
        check = super().write(plain, probes)
        packets[:] = 0
        for start, end, to in _SENDER:
            packets[:, to : to + end - start] = plain[:, start:end]
        for row, session in zip(packets, probes.session.tolist(), strict=True):
            octets = digest(self._key_of[session], row[:_COVERED_BYTES].tobytes())
            row[_COVERED_BYTES:AUTHENTICATED_BYTES] = np.frombuffer(octets, np.uint8)
        write_extra_padding(packets, AUTHENTICATED_BYTES)
        return check

    def read(self, received: Received) -> Said:
        """Read Session-Reflector packets; what has a wrong HMAC is not valid."""
        packets, length = received.payload, received.length
        genuine = length >= AUTHENTICATED_BYTES
        peers = _peers(received.address)
        for place in np.flatnonzero(genuine).tolist():
            packet = packets[place, :AUTHENTICATED_BYTES].tobytes()
            keys = self._keys_from.get(peers[place], ())
            genuine[place] = any(_is_genuine(packet, key) for key in keys)
        self.forged += int(np.count_nonzero(~genuine))
        plain = np.zeros((len(packets), BASE_BYTES), np.uint8)
        for start, end, to in _REFLECTOR:
            plain[:, start:end] = packets[:, to : to + end - start]
        said = replace(received, payload=plain, length=np.where(genuine, BASE_BYTES, 0))
        return super().read(said)


def _is_genuine(packet: bytes, key: bytes) -> bool:
    return hmac.compare_digest(digest(key, packet[:_COVERED_BYTES]), packet[_COVERED_BYTES:])


def _peers(address: NDArray[np.uint8]) -> list[bytes]:
    """Return port and address of each sockaddr (uint8[n, 28])."""
    rows = [row.tobytes() for row in address]
    return [
        raw[2:4] + raw[8:24] if raw[0] == socket.AF_INET6 else raw[2:8]  # little endian, as Linux
        for raw in rows
    ]
