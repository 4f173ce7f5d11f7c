"""Requests to a reflector and its replies to them, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.reflector.sessions import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """n requests that may be answered. `packet` uint8[n, width ≥ 112] holds them in its rows and
    is turned into the replies; the other fields have shape [n]: `length` in bytes,
    `receive_wall_ns` T2, `ttl` as received, 0 unknown, `tos` DSCP and ECN as received, -1
    unknown."""

    packet: NDArray[np.uint8]
    length: NDArray[np.int64]
    sources: Sources
    receive_wall_ns: NDArray[np.int64]
    ttl: NDArray[np.uint8]
    tos: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """m replies, in the first m rows of the requests' `packet`.

    `request` int[m] tells which request each answers, `length` int64[m] its size, `slot` int64[m]
    its session and `sequence` uint32[m] its number there; `tos` uint8[m] has the DSCP it leaves
    with: that of the request, or what its Class of Service TLV asks for. `tracked` int[k] numbers
    the replies whose departure the sender wants to know. `malformed`, `forged` and `replayed` count
    what is not answered; what the limits refuse is counted by who refuses it.
    """

    request: NDArray[np.intp]
    length: NDArray[np.int64]
    tracked: NDArray[np.intp]
    slot: NDArray[np.int64]
    sequence: NDArray[np.uint32]
    tos: NDArray[np.uint8]
    malformed: int = 0
    forged: int = 0
    replayed: int = 0
