"""What the emulated WAN does to a packet on each directed path. No sockets here, and no clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foundation.errors import ConfigError

_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"  # EtherTypes
_BLOCK = 4096  # random numbers are drawn by the block


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTable:
    """The behaviour of every directed pair of addresses; all arrays have shape [a, a].

    delay_ns is the constant part (NaN: there is no such path); jitter_ns the mean of an exponential
    addition to it, as queues make it; the ratios are probabilities per packet; a reordered packet
    is held back by reorder_ns more; hops are taken off the TTL.
    """

    delay_ns: NDArray[np.float64]
    jitter_ns: NDArray[np.float64]
    loss_ratio: NDArray[np.float64]
    duplicate_ratio: NDArray[np.float64]
    reorder_ratio: NDArray[np.float64]
    reorder_ns: NDArray[np.float64]
    hops: NDArray[np.uint8]

    @staticmethod
    def without_paths(addresses: int) -> PathTable:
        """Return a table in which nothing reaches anything."""
        shape = (addresses, addresses)
        return PathTable(
            delay_ns=np.full(shape, np.nan),
            jitter_ns=np.zeros(shape),
            loss_ratio=np.zeros(shape),
            duplicate_ratio=np.zeros(shape),
            reorder_ratio=np.zeros(shape),
            reorder_ns=np.zeros(shape),
            hops=np.zeros(shape, np.uint8),
        )


class Path(NamedTuple):
    """One directed path: the numbers of its ends, and its row of a PathTable.

    delay_ns is None where there is no such path.
    """

    source: int
    destination: int
    delay_ns: float | None
    jitter_ns: float
    loss_ratio: float
    duplicate_ratio: float
    reorder_ratio: float
    reorder_ns: float
    hops: int


class Paths:
    """Finds the path of a frame by the addresses that are in it."""

    def __init__(self, addresses: Sequence[str], table: PathTable) -> None:
        packed = [ipaddress.ip_address(address).packed for address in addresses]
        if len(set(packed)) != len(packed):
            raise ConfigError(
                "Two interfaces of the lab have the same address; give each one its own.",
                "仿真环境中有两个接口地址相同；请为每个接口分配独立地址。",
            )
        self._of = {
            packed[i] + packed[j]: _path(table, i, j)
            for i in range(len(packed))
            for j in range(len(packed))
            if len(packed[i]) == len(packed[j])
        }

    def of(self, frame: bytearray) -> Path | None:
        """Return the path of an Ethernet frame, None if it is not between two of the addresses."""
        kind = frame[12:14]
        if kind == _IPV4:
            return self._of.get(bytes(frame[26:34]))
        return self._of.get(bytes(frame[22:54])) if kind == _IPV6 else None


def _path(table: PathTable, source: int, destination: int) -> Path:
    at = (source, destination)
    delay_ns = float(table.delay_ns[at])
    return Path(
        source,
        destination,
        None if np.isnan(delay_ns) else delay_ns,
        float(table.jitter_ns[at]),
        float(table.loss_ratio[at]),
        float(table.duplicate_ratio[at]),
        float(table.reorder_ratio[at]),
        float(table.reorder_ns[at]),
        int(table.hops[at]),
    )


class Treatment(NamedTuple):
    """What happens to a packet."""

    delay_ns: int
    lost: bool
    duplicated: bool
    reordered: bool


class Impairment:
    """Draws what happens to packets; the same seed draws the same."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._draws = self._endless()

    def _endless(self) -> Iterator[tuple[list[float], float]]:
        """Yield three numbers from 0 to 1 and an exponential one of mean 1, without end."""
        while True:
            uniform = self._generator.random((_BLOCK, 3)).tolist()
            exponential = self._generator.standard_exponential(_BLOCK).tolist()
            yield from zip(uniform, exponential, strict=True)

    def treat(self, path: Path) -> Treatment:
        """Draw what happens to a packet on this path."""
        (loses, copies, holds), queue = next(self._draws)
        if path.delay_ns is None:
            return Treatment(0, lost=True, duplicated=False, reordered=False)
        delay_ns = path.delay_ns + path.jitter_ns * queue
        reordered = holds < path.reorder_ratio
        if reordered:
            delay_ns += path.reorder_ns
        return Treatment(
            int(delay_ns), loses < path.loss_ratio, copies < path.duplicate_ratio, reordered
        )


def take_hops(frame: bytearray, hops: int) -> None:
    """Take `hops` off the TTL or hop limit of a frame in place, never below 1.

    The IPv4 checksum is updated, not rebuilt (RFC 1624): TTL is the high byte of its word.
    """
    older = frame[12] == 0x08
    at = 22 if older else 21
    ttl = frame[at]
    taken = min(hops, max(ttl, 1) - 1)
    frame[at] = ttl - taken
    if older:
        total = (frame[24] << 8 | frame[25]) + (taken << 8)
        total = (total & 0xFFFF) + (total >> 16)
        frame[24], frame[25] = total >> 8, total & 0xFF
