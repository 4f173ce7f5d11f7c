"""ICMP and ICMPv6 echo (RFC 792, RFC 4443): packets of a batch written and read in place.

     0       2       4       6       8                 (bytes)
    +-------+-------+-------+-------+----------+------------+---------------+ - - -
    |type,cd|checksm| ident |  seq  | balance 2| sequence 4 |    token 8    | zeros
    +-------+-------+-------+-------+----------+------------+---------------+ - - -

Routers that spread ICMP over equal paths often hash its first four bytes, so the checksum must not
change within a flow: `balance` makes the sum of all that varies 0 (docs/concepts/measurement.md
§5.1). `sequence` is the probe's full number, of which ICMP's own field holds the low 16 bits, and
`token` can be known only to the engine that sent the probe: an answer without it is not ours. Where
the payload is shorter than 14 bytes, `sequence` and `token` are left out.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.protocols.ip import folded_sum, word_sum
from probes.sockets.records import rows_through

HEADER_BYTES = 8
_WORD, _NUMBER, _TOKEN = np.dtype(">u2"), np.dtype(">u4"), np.dtype(">u8")
COOKIE_BYTES = 14
_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}


@dataclass(frozen=True, slots=True)
class EchoReplies:
    """What n packets said. `valid` bool[n]; `ident` uint16[n]; `sequence` int64[n], of which
    `sequence_bits` are known; `token` uint64[n] (0 where the payload is too short for one)."""

    valid: NDArray[np.bool_]
    ident: NDArray[np.uint16]
    sequence: NDArray[np.int64]
    sequence_bits: int
    token: NDArray[np.uint64]


def write_echo_requests(
    packets: NDArray[np.uint8],
    family: int,
    ident: int,
    sequence: NDArray[np.int64],
    token: NDArray[np.uint64],
) -> None:
    """Write echo requests into `packets` uint8[n, 8 + payload], whose payload beyond the cookie
    must be zero. The checksum is written for IPv4; for IPv6 the kernel's raw socket adds it."""
    payload_bytes = packets.shape[1] - HEADER_BYTES
    packets[:, 0] = _REQUEST[socket.AddressFamily(family)]
    packets[:, 1:4] = 0
    packets[:, 4] = ident >> 8
    packets[:, 5] = ident & 0xFF
    number = sequence.astype(np.uint64) & np.uint64(0xFFFF_FFFF)
    low = number & np.uint64(0xFFFF)
    rows_through(packets, 6, _WORD)[:] = low
    if payload_bytes >= COOKIE_BYTES:
        rows_through(packets, 10, _NUMBER)[:] = number
        rows_through(packets, 14, _TOKEN)[:] = token
        # A word of 2^16 counts as much as one of 1: longer numbers may be summed as they are.
        varying = low + number + (token & np.uint64(0xFFFF_FFFF)) + (token >> np.uint64(32))
        rows_through(packets, 8, _WORD)[:] = np.uint64(0xFFFF) - folded_sum(varying)
    elif payload_bytes >= 2:
        rows_through(packets, 8, _WORD)[:] = np.uint64(0xFFFF) - low
    if family == socket.AF_INET:
        constant = payload_bytes >= 2 and len(packets) > 0
        total = folded_sum(word_sum(_even(packets[:1] if constant else packets)))
        rows_through(packets, 2, _WORD)[:] = np.uint64(0xFFFF) - total


def read_echo_replies(
    packets: NDArray[np.uint8], length: NDArray[np.int64], family: int, payload_bytes: int
) -> EchoReplies:
    """Read packets that begin at the ICMP header; what is no echo reply of ours is not valid.

    `packets` uint8[n, m] of which `length` int64[n] bytes count.
    """
    reply = _REPLY[socket.AddressFamily(family)]
    wanted = min(HEADER_BYTES + payload_bytes, packets.shape[1])
    valid = (length >= wanted) & (packets[:, 0] == reply) & (packets[:, 1] == 0)
    ident = rows_through(packets, 4, _WORD).astype(np.uint16)
    low = rows_through(packets, 6, _WORD)
    if payload_bytes >= COOKIE_BYTES:
        sequence = rows_through(packets, 10, _NUMBER).astype(np.int64)
        token = rows_through(packets, 14, _TOKEN).astype(np.uint64)
        valid &= (sequence & 0xFFFF) == low
        return EchoReplies(valid, ident, sequence, 32, token)
    sequence = low.astype(np.int64)
    return EchoReplies(valid, ident, sequence, 16, np.zeros(len(packets), np.uint64))


def is_undamaged(
    packets: NDArray[np.uint8], length: NDArray[np.int64], size: int
) -> NDArray[np.bool_]:
    """Tell which packets of `size` bytes have a right checksum (RFC 1071); others are not judged.

    A one's complement sum is the same in either order of bytes, and of longer words: it is the
    remainder by 65,535. Doubles add up whole numbers exactly, and many at once.
    """
    size = min(size, packets.shape[1])
    whole = size & ~3
    total = packets[:, :whole].view("<u4").astype(np.float64) @ np.ones(whole // 4)
    if whole < size:
        total += packets[:, whole:size] @ np.array([1.0, 256.0, 1.0])[: size - whole]
    undamaged: NDArray[np.bool_] = (total % 65_535 == 0) & (total > 0) | (length != size)
    return undamaged


def _even(packets: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add a zero byte to rows of odd length (RFC 1071)."""
    if packets.shape[1] % 2 == 0:
        return packets
    return np.pad(packets, ((0, 0), (0, 1)))
