"""What pseudo headers hold of addresses, many at once: of the one that a probe leaves from, too,
which the kernel chooses by its routes."""

from __future__ import annotations

import socket

import numpy as np
from numpy.typing import NDArray

from probes.addresses import pack_address, split_source
from probes.protocols.ip import address_sums
from probes.sockets.sources import source_addresses

_HOST = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}  # in a sockaddr
_ZONE = slice(24, 28)


def pseudo_sums(family: int, address: NDArray[np.uint8], source: str | None) -> NDArray[np.uint64]:
    """Return the sum for each sockaddr, uint8[n, 28], from `source`, or as routes are now.

    Where there is no route it does not matter: nothing leaves. Raises OSError.
    """
    where = _HOST[socket.AddressFamily(family)]
    bound = address[:, where]
    host, _ = split_source(source)
    if host is not None:
        rows = np.broadcast_to(pack_address(host)[where], bound.shape)
    else:
        zone = np.zeros(len(address), np.uint32)
        if family == socket.AF_INET6:
            zone = np.ascontiguousarray(address[:, _ZONE]).view("=u4")[:, 0]
        asked = [(row.tobytes(), index) for row, index in zip(bound, zone.tolist(), strict=True)]
        nothing = bytes(bound.shape[1])
        found = b"".join(one or nothing for one in source_addresses(family, asked))
        rows = np.frombuffer(found, np.uint8).reshape(bound.shape)
    return address_sums(rows, bound)
