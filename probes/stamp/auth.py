"""STAMP's authenticated mode for a sender: columns, and one digest a packet.

The authenticated packets (drawn in probes/stamp/packet.py) hold the fields of the unauthenticated
ones farther apart. They are written and read as those, and moved; what cannot be done in columns is
the HMAC: some 2 µs for each packet.
"""

from __future__ import annotations

import hmac
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
    """STAMP under a key: a reply must repeat the probe's timestamp and have the right HMAC."""

    def __init__(self, payload_bytes: int, ssid: int, key: bytes) -> None:
        # Other TLVs than padding would need an HMAC of their own (RFC 8972 §4.8): none is asked.
        super().__init__(BASE_BYTES, ssid)
        self.bytes_a_probe = max(payload_bytes, AUTHENTICATED_BYTES)
        self._key = key
        self.forged = 0  # replies whose HMAC was wrong

    def write(self, packets: NDArray[np.uint8], probes: Outgoing) -> NDArray[np.uint64]:
        """Write Session-Sender packets with their HMACs; their check is T1."""
        plain = np.zeros((len(packets), BASE_BYTES), np.uint8)
        check = super().write(plain, probes)
        packets[:] = 0
        for start, end, to in _SENDER:
            packets[:, to : to + end - start] = plain[:, start:end]
        for row in packets:
            octets = digest(self._key, row[:_COVERED_BYTES].tobytes())
            row[_COVERED_BYTES:AUTHENTICATED_BYTES] = np.frombuffer(octets, np.uint8)
        write_extra_padding(packets, AUTHENTICATED_BYTES)
        return check

    def read(self, received: Received) -> Said:
        """Read Session-Reflector packets; what has a wrong HMAC is not valid."""
        packets, length = received.payload, received.length
        genuine = length >= AUTHENTICATED_BYTES
        for place in np.flatnonzero(genuine).tolist():
            genuine[place] = self._is_genuine(packets[place, :AUTHENTICATED_BYTES].tobytes())
        self.forged += int(np.count_nonzero(~genuine))
        plain = np.zeros((len(packets), BASE_BYTES), np.uint8)
        for start, end, to in _REFLECTOR:
            plain[:, start:end] = packets[:, to : to + end - start]
        said = replace(received, payload=plain, length=np.where(genuine, BASE_BYTES, 0))
        return super().read(said)

    def _is_genuine(self, packet: bytes) -> bool:
        expected = digest(self._key, packet[:_COVERED_BYTES])
        return hmac.compare_digest(expected, packet[_COVERED_BYTES:])
