"""ICMP identifiers that no two sockets hold.

An echo reply finds its way home by its identifier alone: the kernel hands it to every raw socket,
and lets several ping sockets hold one identifier and serves one of them. Ports are given away by
the kernel; identifiers are leased here, in blocks that have a name of the abstract Unix namespace:
a name is bound once in a network namespace, and given back by the kernel when its holder ends.
"""

from __future__ import annotations

import contextlib
import socket

import numpy as np

from foundation.errors import ResourceError

_BLOCK = 64
_BLOCKS = (1 << 16) // _BLOCK


class Identifier:
    """One leased identifier: `number`, given back by `close`."""

    def __init__(self, number: int, owner: Identifiers) -> None:
        self.number = number
        self._owner = owner

    def close(self) -> None:
        """Let others have it."""
        self._owner.give_back(self.number)


class Identifiers:
    """The identifiers of one engine. Blocks are drawn by `generator`, so that few are asked twice.

    Where others hold every name, which nobody needs to, identifiers are our own business again:
    raw sockets then tell answers apart by what these carry, and the kernel refuses ping sockets.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._held: dict[int, set[int]] = {}  # block -> its identifiers in use
        self._names: dict[int, socket.socket] = {}  # block -> what holds its name

    def lease(self) -> Identifier:
        """Return an identifier that no socket of ours has. Raises ResourceError if all are used."""
        for block, held in self._held.items():
            if len(held) < len(_numbers_of(block)):
                break
        else:
            block = self._next_block()
            held = self._held.setdefault(block, set())
        number = next(number for number in _numbers_of(block) if number not in held)
        held.add(number)
        return Identifier(number, self)

    def give_back(self, number: int) -> None:
        """Let others have an identifier, and with the last of its block the block."""
        block = number // _BLOCK
        held = self._held.get(block, set())
        held.discard(number)
        if not held and self._held.pop(block, None) is not None and block in self._names:
            self._names.pop(block).close()

    def _next_block(self) -> int:
        """Return a block that nobody has, or if there is none one that at least we do not have."""
        ours = self._held.keys()
        drawn: list[int] = self._generator.permutation(_BLOCKS).tolist()
        order = [block for block in drawn if block not in ours]
        for block in order:
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(f"\0isochrone-icmp-{block}")
            except OSError:
                name.close()
                continue
            self._names[block] = name
            return block
        with contextlib.suppress(IndexError):
            return order[0]
        raise ResourceError(
            "All 65,535 ICMP identifiers are in use; probe fewer --flows or streams at once.",
            "全部 65,535 个 ICMP 标识符均已占用；请减少同时探测的流数或测量流。",
        )


def _numbers_of(block: int) -> range:
    """Return the identifiers of a block; 0 means "any" to the kernel."""
    return range(max(1, block * _BLOCK), (block + 1) * _BLOCK)
