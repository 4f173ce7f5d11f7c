"""What really happened to every probe, read from the emulator's log alone. Pure arrays.

A probe is one forward packet (ICMP echo request, STAMP sender packet, TCP SYN) and the packets
that answered it, paired by what is in them: never by order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.fleet.packet_log import COPY
from probes.stamp.sizes import STAMP_AUTHENTICATED_BYTES

PROTOCOLS = ("icmp", "udp", "tcp")
_NEITHER, _FORWARD, _BACKWARD = 0, 1, 2
_STAMP_SENDER_SEQUENCE = 24  # offset in a STAMP reply (RFC 8762 §4.3.1)
_AUTHENTICATED_SENDER_SEQUENCE = 48  # in an authenticated one (§4.3.2), with zeros for a T3


@dataclass(frozen=True, slots=True)
class Probes:
    """n probes in no particular order, as the emulator saw them.

    `source`, `destination` int64[n]: numbers of addresses; `protocol` int64[n] (PROTOCOLS);
    `sent_ns` int64[n] wall clock at which the probe entered the WAN; `forward_ns`, `backward_ns`
    float64[n]: the delays applied, NaN where that packet never left the WAN (lost, or no answer
    was given).
    """

    source: NDArray[np.int64]
    destination: NDArray[np.int64]
    protocol: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    forward_ns: NDArray[np.float64]
    backward_ns: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sent_ns)

    def take(self, chosen: NDArray[np.generic]) -> Probes:
        """Return the chosen probes (a mask or row numbers)."""
        return Probes(*(getattr(self, name)[chosen] for name in self.__slots__))

    @property
    def rtt_ns(self) -> NDArray[np.float64]:
        """Forward and backward delay together; NaN where either is missing."""
        return self.forward_ns + self.backward_ns


@dataclass(frozen=True, slots=True)
class _Packets:
    """What is in n packets: `role` int64[n], `protocol` int64[n], `key` int64[n]."""

    role: NDArray[np.int64]
    protocol: NDArray[np.int64]
    key: NDArray[np.int64]


def read_packets(head: NDArray[np.uint8], stamp_ports: Collection[int]) -> _Packets:
    """Read role, protocol and key of packets. `head` uint8[n, 120], Ethernet header first."""
    newer = head[:, 12] == 0x86
    number = np.where(newer, head[:, 20], head[:, 23])
    start = np.where(newer, 54, 34)
    row = np.arange(len(head))

    def field(offset: int, octets: int) -> NDArray[np.int64]:
        value = np.zeros(len(head), np.int64)
        for i in range(octets):
            place = np.minimum(start + offset + i, head.shape[1] - 1)
            value = value << 8 | head[row, place]
        return value

    role = np.zeros(len(head), np.int64)
    protocol = np.full(len(head), -1)
    key = np.zeros(len(head), np.int64)

    def put(chosen: NDArray[np.bool_], which: str, way: int, value: NDArray[np.int64]) -> None:
        role[chosen] = way
        protocol[chosen] = PROTOCOLS.index(which)
        key[chosen] = value[chosen]

    kind = field(0, 1)
    echo = ((number == 1) & ~newer) | ((number == 58) & newer)
    put(echo & np.isin(kind, (8, 128)), "icmp", _FORWARD, field(4, 4))
    put(echo & np.isin(kind, (0, 129)) & (field(1, 1) == 0), "icmp", _BACKWARD, field(4, 4))
    here, there = field(0, 2), field(2, 2)
    ports = list(stamp_ports)
    udp = number == 17
    put(udp & np.isin(there, ports), "udp", _FORWARD, here << 32 | field(8, 4))
    answer = udp & np.isin(here, ports) & ~np.isin(there, ports)
    sequence = np.where(
        (field(4, 2) >= 8 + STAMP_AUTHENTICATED_BYTES) & (field(12, 8) == 0),
        field(8 + _AUTHENTICATED_SENDER_SEQUENCE, 4),
        field(8 + _STAMP_SENDER_SEQUENCE, 4),
    )
    put(answer, "udp", _BACKWARD, there << 32 | sequence)
    flags = field(13, 1)
    tcp = number == 6
    put(tcp & (flags & 0x12 == 0x02), "tcp", _FORWARD, here << 32 | field(4, 4))
    answered = (field(8, 4) - 1) & 0xFFFF_FFFF
    put(tcp & (flags & 0x10 != 0) & (flags & 0x06 != 0), "tcp", _BACKWARD, there << 32 | answered)
    return _Packets(role, protocol, key)


def pair_probes(log: NDArray[np.void], stamp_ports: Collection[int]) -> Probes:
    """Return the probes of a log (lab.fleet.packet_log.RECORD rows)."""
    packets = read_packets(log["head"], stamp_ports)
    chosen = np.flatnonzero(packets.role != _NEITHER)
    log, role = log[chosen], packets.role[chosen]
    protocol, key = packets.protocol[chosen], packets.key[chosen]
    forward = role == _FORWARD
    source = np.where(forward, log["source"], log["destination"]).astype(np.int64)
    destination = np.where(forward, log["destination"], log["source"]).astype(np.int64)
    path = (source << 16 | destination) << 2 | protocol
    order = np.lexsort((log["received_ns"], key, path))
    log, forward, path, key = log[order], forward[order], path[order], key[order]
    begins = forward & (log["outcome"] & COPY == 0)
    probe = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    # A packet belongs to the last probe begun before it, if that has its path and key.
    own = probe >= 0
    own[own] &= (path[own] == path[first[probe[own]]]) & (key[own] == key[first[probe[own]]])
    applied = (log["left_ns"] - log["received_ns"]).astype(np.float64)
    left = log["left_ns"] > 0
    return Probes(
        source=source[order][first],
        destination=destination[order][first],
        protocol=protocol[order][first],
        sent_ns=log["received_ns"][first].astype(np.int64),
        forward_ns=_first_out(probe, log, applied, own & forward & left, len(first)),
        backward_ns=_first_out(probe, log, applied, own & ~forward & left, len(first)),
    )


def _first_out(
    probe: NDArray[np.int64],
    log: NDArray[np.void],
    applied_ns: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    probes: int,
) -> NDArray[np.float64]:
    """Return for each probe the delay of the chosen packet of it that left first, else NaN."""
    row = np.flatnonzero(chosen)
    row = row[np.lexsort((log["left_ns"][row], probe[row]))]
    unique, at = np.unique(probe[row], return_index=True)
    result = np.full(probes, np.nan)
    result[unique] = applied_ns[row[at]]
    return result


@dataclass(frozen=True, slots=True)
class EmulatorError:
    """How far the emulator was from what it was asked, over `packets` packets, in nanoseconds."""

    packets: int
    p50_ns: float
    p90_ns: float
    p99_ns: float
    max_ns: float


def emulator_error(log: NDArray[np.void]) -> EmulatorError:
    """Return applied minus asked delay of every packet that left."""
    left = log[log["left_ns"] > 0]
    if not len(left):
        return EmulatorError(0, *([float("nan")] * 4))
    error = left["left_ns"] - left["received_ns"] - left["asked_ns"]
    quantiles = np.percentile(error, [50, 90, 99, 100], method="inverted_cdf")
    return EmulatorError(len(left), *(float(q) for q in quantiles))
