"""What protocols on raw sockets share: IP headers (RFC 791), one's complement sums (RFC 1071)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_USUAL_HEADER = 0x45  # IPv4, 20 bytes


def folded_sum(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the one's complement sum (RFC 1071) that a plain sum of 16-bit words stands for."""
    once = (words & np.uint64(0xFFFF)) + (words >> np.uint64(16))
    twice = (once & np.uint64(0xFFFF)) + (once >> np.uint64(16))
    return (twice & np.uint64(0xFFFF)) + (twice >> np.uint64(16))


def word_sum(packets: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the plain sum of the 16-bit words of each row of uint8[n, even]."""
    pairs = packets.reshape(len(packets), -1, 2).astype(np.uint64)
    sums: NDArray[np.uint64] = (pairs[:, :, 0] << np.uint64(8)).sum(axis=1) + pairs[:, :, 1].sum(
        axis=1
    )
    return sums


def address_sums(source: NDArray[np.uint8], destination: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the plain word sums of pairs of packed addresses, uint8[n, 4 or 16]: what pseudo
    headers hold of them."""
    words = np.ascontiguousarray(np.hstack([source, destination])).view(">u2")
    total: NDArray[np.uint64] = words.astype(np.uint64).sum(axis=1)
    return total


def after_ip_header(
    packets: NDArray[np.uint8], length: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (packets, length) of raw IPv4 packets without their IP headers.

    Length is 0 for what is no sound IPv4 packet. Headers with options are rare: then rows move.
    """
    if (packets[:, 0] == _USUAL_HEADER).all():
        return packets[:, 20:], np.maximum(length - 20, 0)
    header = (packets[:, 0] & 0x0F).astype(np.int64) * 4
    sound = (packets[:, 0] >> 4 == 4) & (header >= 20) & (length >= header)
    rest = np.where(sound, length - header, 0)
    column = np.minimum(header[:, None] + np.arange(packets.shape[1] - 20), packets.shape[1] - 1)
    return np.take_along_axis(packets, column, axis=1), rest
