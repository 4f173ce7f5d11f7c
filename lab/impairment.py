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
        count = len(frame)
        kind = frame[:, 12:14].view("<u2")[:, 0]
        older = kind == _IPV4
        key = np.empty((2, count), np.uint64)
        key[:] = frame[:, 26:34].view("<u4").T
        known = older
        if not older.all():
            newer = kind == _IPV6
            words = frame[:, 22:54].view("<u8").T
            key = np.where(newer, words[::2] * _MIX ^ words[1::2], key)
            known = older | newer
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        ends = np.where(known & (self._keys[place] == key), self._order[place], -1)
        return ends[0], ends[1]


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


class Impairment:
    """A path table laid out for drawing: one row of parameters for every pair of addresses."""

    def __init__(self, table: PathTable, seed: int) -> None:
        self._addresses = len(table.delay_ns)
        self.table = table
        columns = (
            table.loss_ratio,
            table.duplicate_ratio,
            table.reorder_ratio,
            table.delay_ns,
            table.jitter_ns,
            table.reorder_ns,
        )
        self._parameters = np.stack([column.ravel() for column in columns])
        self._parameters[0, np.isnan(self._parameters[3])] = 2.0  # no path: surely lost
        self._hops = table.hops.ravel()
        self._generator = np.random.default_rng(seed)

    def path_of(
        self, source: NDArray[np.int64], destination: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the number of the path source[i] → destination[i]."""
        return source * self._addresses + destination

    def hops_of(self, path: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return how many hops each path has."""
        return self._hops[path]

    def treat(self, path: NDArray[np.int64]) -> Treatment:
        """Draw what happens to a packet on each of these paths."""
        parameters = self._parameters[:, path]
        chosen = self._generator.random((3, len(path))) < parameters[:3]
        delay = parameters[3] + parameters[4] * self._generator.standard_exponential(len(path))
        if chosen[2].any():
            delay += chosen[2] * parameters[5]
        delay[np.isnan(delay)] = 0
        return Treatment(delay.astype(np.int64), chosen[0], chosen[1], chosen[2])


def take_hops(frame: NDArray[np.uint8], hops: NDArray[np.uint8]) -> None:
    """Take `hops` off the TTL or hop limit of each frame in place, never below 1.

    The IPv4 checksum is updated, not made anew (RFC 1624): TTL is the high byte of its word.
    """
    older = frame[:, 12] == 0x08
    if older.all():
        frame[:, 22:26] = _aged(frame[:, 22:26], hops)
        return
    newer = ~older
    frame[older, 22:26] = _aged(frame[older, 22:26], hops[older])
    limit = frame[newer, 21]
    frame[newer, 21] = limit - np.minimum(hops[newer], np.maximum(limit, 1) - 1)


def _aged(field: NDArray[np.uint8], hops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return TTL, protocol and checksum of IPv4 headers after `hops` hops. uint8[n, 4]."""
    aged = field.copy()
    ttl = field[:, 0]
    taken = np.minimum(hops, np.maximum(ttl, 1) - 1)
    aged[:, 0] = ttl - taken
    total = field[:, 2:4].view(">u2")[:, 0] + (taken.astype(np.uint32) << 8)
    aged[:, 2:4].view(">u2")[:, 0] = (total & 0xFFFF) + (total >> 16)
    return aged
