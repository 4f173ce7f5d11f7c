"""An independent witness on a link: every frame that comes in, timestamped by the kernel.

A veth is a cable without length: a frame comes in at one end the moment it goes out at the other.
So what comes in at both ends is all the truth there is, and the witness, which looks at nothing
that goes out, does not be in the way of what is measured. Nobody reads it meanwhile either:
frames wait in its buffer, and it takes no processor time from the tool.

The nth test packet that came in belongs to the nth answer: nothing is overtaken on a veth.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.sockets.control import SO_TIMESTAMPING, read_control
from probes.sockets.ring import Ring

Kind = Literal["icmp", "stamp", "irtt"]

_ALL_PROTOCOLS = 3  # ETH_P_ALL
_RX_TIMESTAMPS = 8 | 16  # SO_TIMESTAMPING: RX_SOFTWARE | SOFTWARE
_SO_RCVBUFFORCE, _BUFFER_BYTES = 33, 256 << 20
_HEAD_BYTES = 96
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_IRTT_MAGIC = (0x14, 0xA7, 0x5B)


@dataclass(frozen=True, slots=True)
class Frames:
    """n frames: `head` uint8[n, 96] from the Ethernet header on, `timestamp_ns` int64[n]
    wall clock.
    """

    head: NDArray[np.uint8]
    timestamp_ns: NDArray[np.int64]


class Tap:
    """Sees what comes into the namespace it was made in until it is closed."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, _RX_TIMESTAMPS)

    def take(self) -> Frames:
        """Return the frames seen since the last call."""
        ring = Ring(1024, _HEAD_BYTES, 128)
        parts = []
        while count := ring.receive(self._sock.fileno(), 0):
            said = read_control(ring.control[:count], ring.messages["controllen"][:count])
            parts.append((ring.payload[:count].copy(), said.software_ns))
        if not parts:
            return Frames(np.zeros((0, _HEAD_BYTES), np.uint8), np.zeros(0, np.int64))
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


def arrivals(tap: Tap, kind: Kind, port: int = 0) -> NDArray[np.int64]:
    """Return when each test packet came in since the tap was last asked: int64[n]."""
    frames = tap.take()
    return frames.timestamp_ns[is_test(frames.head, kind, port)]
