"""TCP SYN probes (RFC 9293): segments of a batch written and read in place.

A probe is one SYN with an MSS option. SYN-ACK says the port is open, RST that it is closed; both
answer the probe and carry its initial sequence number + 1. The kernel, which knows of no such
connection, ends a half-open one with RST by itself. A SYN that gets there before that RST is
itself answered with RST by an open port: what such an RST says is read in probes/engine/answers.py.

A server that misses our RST sends its SYN-ACK again after its retransmission timeout, 1 s at first
(RFC 6298 §2.1). Such a copy measures that timeout and not the network, and nothing in it tells it
from the first; so an answer that took `SYN_LIMIT_NS` or longer is late whatever the waiting time.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.channels.codec import ANSWER_CLOSED, ANSWER_OPEN
from probes.protocols.ip import folded_sum, word_sum
from probes.protocols.tcp.limits import SEGMENT_BYTES

HEADER_BYTES = 20
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_WINDOW = 64_240
_PSEUDO_HEADER = np.uint64(socket.IPPROTO_TCP + SEGMENT_BYTES)  # beside the addresses
_MSS = {socket.AF_INET: 1460, socket.AF_INET6: 1440}


@dataclass(frozen=True, slots=True)
class SynAnswers:
    """What n segments said: `valid` bool[n], `port` uint16[n] of the peer, `initial_sequence`
    uint32[n] of the SYN they answer, `answer` uint8[n] (ANSWER_OPEN or ANSWER_CLOSED)."""

    valid: NDArray[np.bool_]
    port: NDArray[np.uint16]
    initial_sequence: NDArray[np.uint32]
    answer: NDArray[np.uint8]


def write_syns(
    segments: NDArray[np.uint8],
    family: int,
    source_port: int,
    port: NDArray[np.uint16],
    initial_sequence: NDArray[np.uint32],
    address_sum: NDArray[np.uint64],
) -> None:
    """Write SYN segments into `segments` uint8[n, 24]; `address_sum` is of `ip.address_sums`."""
    head = segments.view(np.uint8)
    head[:, 0] = source_port >> 8
    head[:, 1] = source_port & 0xFF
    head[:, 2:4] = _bytes_of(port, ">u2")
    head[:, 4:8] = _bytes_of(initial_sequence, ">u4")
    head[:, 8:12] = 0
    head[:, 12] = SEGMENT_BYTES // 4 << 4
    head[:, 13] = _SYN
    head[:, 14] = _WINDOW >> 8
    head[:, 15] = _WINDOW & 0xFF
    head[:, 16:20] = 0
    mss = _MSS[socket.AddressFamily(family)]
    head[:, 20:24] = (2, 4, mss >> 8, mss & 0xFF)
    total = folded_sum(word_sum(head) + address_sum + _PSEUDO_HEADER)
    head[:, 16:18] = _bytes_of(np.uint64(0xFFFF) - total, ">u2")


def read_syn_answers(segments: NDArray[np.uint8], length: NDArray[np.int64]) -> SynAnswers:
    """Read segments that begin at the TCP header, uint8[n, m] of which `length` bytes count."""
    flags = segments[:, 13]
    is_open = flags & (_SYN | _ACK | _RST) == _SYN | _ACK
    is_closed = flags & (_RST | _ACK) == _RST | _ACK
    valid = (length >= HEADER_BYTES) & (is_open | is_closed)
    acknowledged = np.ascontiguousarray(segments[:, 8:12]).view(">u4")[:, 0].astype(np.uint32)
    return SynAnswers(
        valid=valid,
        port=np.ascontiguousarray(segments[:, 0:2]).view(">u2")[:, 0].astype(np.uint16),
        initial_sequence=acknowledged - np.uint32(1),
        answer=np.where(is_open, ANSWER_OPEN, ANSWER_CLOSED).astype(np.uint8),
    )


def _bytes_of(value: NDArray[np.integer], kind: str) -> NDArray[np.uint8]:
    """Return big-endian numbers as rows of bytes."""
    return np.ascontiguousarray(value.astype(kind)).view(np.uint8).reshape(len(value), -1)
