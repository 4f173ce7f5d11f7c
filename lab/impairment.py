"""What the emulated WAN does to a packet on each directed path. Pure: arrays in, arrays out."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.errors import ConfigError

_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_IPV4, _IPV6 = 0x0008, 0xDD86  # EtherTypes as little-endian words


def _key_of(address: str) -> int:
    """Return the number under which an address is looked up (see `AddressBook.ends_of`)."""
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return int.from_bytes(packed, "little")
    high, low = (int.from_bytes(packed[i : i + 8], "little") for i in (0, 8))
    return (high * int(_MIX) & 0xFFFF_FFFF_FFFF_FFFF) ^ low


class AddressBook:
    """Numbers the addresses of the fleet, and reads them out of frames."""

    def __init__(self, addresses: Sequence[str]) -> None:
        keys = np.array([_key_of(address) for address in addresses], np.uint64)
        self.addresses = tuple(addresses)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        if len(np.unique(keys)) != len(keys):
            raise ConfigError(
                "Two interfaces of the lab have the same address; give each one its own.",
                "实验网中有两个接口地址相同；请为每个接口分配独立地址。",
            )

    def ends_of(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of source and destination of each frame, -1 where unknown.

        `frame` uint8[n, ≥ 54], Ethernet header first.
        """
        kind = frame[:, 12:14].view("<u2")[:, 0]
        source = frame[:, 26:30].view("<u4")[:, 0].astype(np.uint64)
        destination = frame[:, 30:34].view("<u4")[:, 0].astype(np.uint64)
        newer = kind == _IPV6
        if newer.any():
            words = frame[:, 22:54].view("<u8")
            source = np.where(newer, words[:, 0] * _MIX ^ words[:, 1], source)
            destination = np.where(newer, words[:, 2] * _MIX ^ words[:, 3], destination)
        is_ip = newer | (kind == _IPV4)
        return self._find(source, is_ip), self._find(destination, is_ip)

    def _find(self, key: NDArray[np.uint64], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return np.where(valid & (self._keys[place] == key), self._order[place], -1)


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


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to n packets: `delay_ns` int64[n]; lost, duplicated, reordered bool[n]."""

    delay_ns: NDArray[np.int64]
    lost: NDArray[np.bool_]
    duplicated: NDArray[np.bool_]
    reordered: NDArray[np.bool_]


def treat(
    table: PathTable,
    source: NDArray[np.int64],
    destination: NDArray[np.int64],
    generator: np.random.Generator,
) -> Treatment:
    """Draw the treatment of packets on the paths source[i] → destination[i] (all known)."""
    path = source * len(table.delay_ns) + destination
    chance = generator.random((3, len(path)))
    reordered = chance[2] < table.reorder_ratio.ravel()[path]
    delay = table.delay_ns.ravel()[path]
    delay = delay + table.jitter_ns.ravel()[path] * generator.standard_exponential(len(path))
    delay = delay + reordered * table.reorder_ns.ravel()[path]
    no_path = np.isnan(delay)
    return Treatment(
        delay_ns=np.where(no_path, 0, delay).astype(np.int64),
        lost=(chance[0] < table.loss_ratio.ravel()[path]) | no_path,
        duplicated=chance[1] < table.duplicate_ratio.ravel()[path],
        reordered=reordered,
    )


def take_hops(frame: NDArray[np.uint8], hops: NDArray[np.uint8]) -> None:
    """Take `hops` off the TTL or hop limit of each frame in place, never below 1.

    The IPv4 checksum is updated, not made anew (RFC 1624): TTL is the high byte of its word.
    """
    newer = frame[:, 12] == 0x86
    field = np.where(newer, 21, 22)
    row = np.arange(len(frame))
    ttl = frame[row, field]
    taken = np.minimum(hops, np.maximum(ttl, 1) - 1)
    frame[row, field] = ttl - taken
    old = frame[:, 24].astype(np.uint32) << 8 | frame[:, 25]
    new = old + (taken.astype(np.uint32) << 8)
    new = (new & 0xFFFF) + (new >> 16)
    frame[:, 24] = np.where(newer, frame[:, 24], new >> 8)
    frame[:, 25] = np.where(newer, frame[:, 25], new & 0xFF)
