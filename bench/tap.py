"""An independent witness on the wire: every frame of a link, stamped by the kernel.

A packet socket sees frames on their way out just before the driver takes them, and on their way in
as the driver hands them over. Nobody reads it while a tool is measured: frames wait in its buffer,
so that it takes no processor time from the tool.

The nth test packet sent belongs to the nth answer: nothing is lost or overtaken on a veth.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.batch import Ring
from probes.control import SO_TIMESTAMPING, read_control

Kind = Literal["icmp", "stamp", "irtt"]

_ALL_PROTOCOLS = 3  # ETH_P_ALL
_RECEIVE_STAMPS = 8 | 16  # SO_TIMESTAMPING: RX_SOFTWARE | SOFTWARE
_SO_RCVBUFFORCE, _BUFFER_BYTES = 33, 256 << 20
_HEAD_BYTES = 96
_OUTGOING = 4  # PACKET_OUTGOING
_IRTT_MAGIC = (0x14, 0xA7, 0x5B)


@dataclass(frozen=True, slots=True)
class Frames:
    """n frames: `head` uint8[n, 96] from the Ethernet header on, `stamp_ns` int64[n] wall clock,
    `outgoing` bool[n]."""

    head: NDArray[np.uint8]
    stamp_ns: NDArray[np.int64]
    outgoing: NDArray[np.bool_]


class Tap:
    """Sees the frames of the namespace it was made in until it is closed."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, _RECEIVE_STAMPS)

    def take(self) -> Frames:
        """Return the frames seen since the last call."""
        ring = Ring(1024, _HEAD_BYTES, 128)
        parts = []
        while count := ring.receive(self._sock.fileno(), 0):
            said = read_control(ring.control[:count], ring.messages["controllen"][:count])
            outgoing = ring.address[:count, 10] == _OUTGOING  # sockaddr_ll.sll_pkttype
            parts.append((ring.payload[:count].copy(), said.software_ns, outgoing))
        if not parts:
            return Frames(np.zeros((0, _HEAD_BYTES), np.uint8), *np.zeros((2, 0), np.int64))
        return Frames(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def close(self) -> None:
        """Stop seeing."""
        self._sock.close()


def is_test(head: NDArray[np.uint8], kind: Kind, port: int = 0) -> NDArray[np.bool_]:
    """Tell which IPv4 frames are test packets of that kind, either way. `head` uint8[n, 96]."""
    older = (head[:, 12] == 0x08) & (head[:, 13] == 0)
    if kind == "icmp":
        return older & (head[:, 23] == 1) & np.isin(head[:, 34], (0, 8))
    if kind == "irtt":  # its handshakes have other flags than a request (0) and a reply (2)
        named = (head[:, 42:45] == _IRTT_MAGIC).all(axis=1) & np.isin(head[:, 45], (0, 2))
        return older & (head[:, 23] == 17) & named
    ports = head[:, 34:38].astype(np.int64)
    there, back = ports[:, 2] << 8 | ports[:, 3], ports[:, 0] << 8 | ports[:, 1]
    return older & (head[:, 23] == 17) & ((there == port) | (back == port))


def passages(frames: Frames, kind: Kind, port: int = 0) -> tuple[NDArray[np.int64], ...]:
    """Return when each test packet passed (outwards, inwards): int64[n] each."""
    chosen = is_test(frames.head, kind, port)
    outgoing = frames.outgoing[chosen]
    stamp_ns = frames.stamp_ns[chosen]
    return stamp_ns[outgoing], stamp_ns[~outgoing]
