"""Opening the channel of a protocol: what is requested, and what an engine lends to it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probes.channels.batch_channel import BatchChannel
from probes.channels.channel import Channel
from probes.channels.codec import Codec
from probes.protocols.descriptor import ProbeProtocol
from probes.protocols.registry import protocols
from probes.sockets.damaged import DamagedPackets
from probes.sockets.identifiers import Identifiers
from probes.sockets.opening import OpenSocket
from probes.sockets.ring import Rings

BATCH = 2048  # packets to one system call
_RING_BYTES, _LEAST_BATCH = 4 << 20, 64  # of payload, and how few packets when they are long
_HEADER_ROOM = 84  # IP header with options and ICMP header, beside the payload


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOrder:
    """One channel that is requested: `family` of addresses, `source` to leave from (None: the
    system's choice), `payload_bytes` behind the transport header."""

    number: int
    protocol: ProbeProtocol
    family: int
    source: str | None
    dscp: int
    payload_bytes: int
    authenticated: bool


class ChannelKit:
    """What the channels of one engine share: rings by width, ICMP identifiers, the kernel's counts
    of damaged packets, and chance.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.identifiers = Identifiers(generator)
        self._rings: dict[int, Rings] = {}
        self._damage: dict[tuple[str, int], DamagedPackets] = {}  # by protocol and family

    def open_channel(self, order: ChannelOrder) -> Channel:
        """Open a channel of the protocol that is requested."""
        opener: ChannelOpener = pkgutil.resolve_name(order.protocol.opener)
        return opener(order, self)

    def batch_channel(self, order: ChannelOrder, opened: OpenSocket, codec: Codec) -> BatchChannel:
        """Return a channel of a batch socket, which owns what was opened from now on.

        Raises OSError or MemoryError, and then it is closed.
        """
        width = max(128, 1 << int(np.ceil(np.log2(order.payload_bytes + _HEADER_ROOM))))
        if width not in self._rings:
            capacity = max(_LEAST_BATCH, min(BATCH, _RING_BYTES // width))
            self._rings[width] = Rings.of(capacity, width)
        label = int(self.generator.integers(1, 1 << 20))
        kept = (order.protocol.name, order.family)
        if kept not in self._damage:
            self._damage[kept] = DamagedPackets(order.protocol.kernel_counters, order.family)
        damage, rings = self._damage[kept], self._rings[width]
        try:
            return BatchChannel(order.number, opened, codec, rings, damage, label)
        except (OSError, MemoryError):
            opened.close()
            raise


ChannelOpener = Callable[[ChannelOrder, ChannelKit], Channel]


def load_openers() -> None:
    """Import the openers of all protocols, which else are imported when first asked for: a process
    that runs for months must not meet those of a newer version."""
    for each in protocols():
        pkgutil.resolve_name(each.opener)
