"""The channels of an engine: which are open, who uses them, and which streams may share one.

Streams share a channel where destinations tell their answers apart. Streams that are alike in all
that an answer shows get channels of their own: each is another copy.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.addresses import split_source, zone_of
from probes.channels.channel import Channel
from probes.channels.opening import ChannelKit, ChannelOrder
from probes.engine.destinations import socket_family
from probes.sockets.routes import is_local
from probes.stream import StreamSpec

_MOST_CHANNELS = 30_000  # the ledger numbers them in 16 bits

ChannelKey = tuple[str, int, str | None, int, int, int, int, bool, int]
Alike = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Allotment:
    """The channels of one stream, one per flow, and which copy of its like it is."""

    channels: list[int]
    alike: Alike
    copy: int


class ChannelPool:
    """The open `channels`, by number. Numbers of closed ones are given again.

    `overflowed` counts the answers that closed ones had no room for.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.channels: dict[int, Channel] = {}
        self.overflowed = 0
        self._by_key: dict[ChannelKey, int] = {}
        self._uses: Counter[int] = Counter()  # sessions of each channel
        self._alike: dict[Alike, set[int]] = {}  # which copies are taken
        self._kit = ChannelKit(generator)

    def allot(self, spec: StreamSpec, address: NDArray[np.uint8]) -> Allotment:
        """Return the channels of a stream to a sockaddr, opening those that are not there yet.

        They count as used once they are taken. Raises IsochroneError or OSError where one cannot
        be opened; what was opened for it is closed with `close_unused`.
        """
        kind = spec.type_p
        size, hmac = kind.sent_payload_bytes, kind.authenticated
        alike = (kind.protocol, spec.source, kind.dscp, size, hmac, address.tobytes())
        taken = self._alike.get(alike, set())
        copy = next(number for number in itertools.count() if number not in taken)
        numbers = []
        for flow in range(spec.flows):
            source = spec.source, zone_of(spec.source)
            key = (kind.protocol, kind.ip_version, *source, flow, kind.dscp, size, hmac, copy)
            if key not in self._by_key:
                self._by_key[key] = self._open(spec, size)
            numbers.append(self._by_key[key])
        return Allotment(numbers, alike, copy)

    def take(self, allotment: Allotment) -> None:
        """Let a stream use what it was allotted."""
        self._uses.update(allotment.channels)
        self._alike.setdefault(allotment.alike, set()).add(allotment.copy)

    def give_back(self, allotment: Allotment) -> None:
        """Let a stream use it no more; what nobody uses is closed with `close_unused`."""
        self._uses.subtract(allotment.channels)
        copies = self._alike[allotment.alike]
        copies.discard(allotment.copy)
        if not copies:
            del self._alike[allotment.alike]

    def close_unused(self) -> list[int]:
        """Close the channels that have no session; return their descriptors."""
        unused = [number for number in self.channels if self._uses[number] <= 0]
        closed = []
        for number in unused:
            channel = self.channels.pop(number)
            del self._uses[number]
            self.overflowed += channel.socket.overflowed
            closed.append(channel.socket.fileno())
            channel.close()
        self._by_key = {key: n for key, n in self._by_key.items() if n in self.channels}
        return closed

    def follow_sources(self) -> None:
        """Send nothing from source addresses that this machine no longer has."""
        bound: dict[str, list[int]] = {}
        for (_, _, source, *_), number in self._by_key.items():
            if source:
                bound.setdefault(source, []).append(number)
        for source, numbers in bound.items():
            is_gone = not is_local(split_source(source)[0] or "")
            for number in numbers:
                self.channels[number].source_is_gone = is_gone

    def close(self) -> None:
        """Close all sockets."""
        for channel in self.channels.values():
            channel.close()

    def _open(self, spec: StreamSpec, payload_bytes: int) -> int:
        """Open a channel and return its number."""
        number, kind = self._next_channel(), spec.type_p
        order = ChannelOrder(
            number=number,
            protocol=kind.described,
            family=socket_family(spec),
            source=spec.source,
            dscp=kind.dscp,
            payload_bytes=payload_bytes,
            authenticated=kind.authenticated,
        )
        self.channels[number] = self._kit.open_channel(order)
        return number

    def _next_channel(self) -> int:
        if len(self.channels) >= _MOST_CHANNELS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        number = max(self.channels, default=-1) + 1
        if number >= _MOST_CHANNELS:  # numbers of closed ones are free again
            number = next(free for free in itertools.count() if free not in self.channels)
        return number
