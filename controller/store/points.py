"""Points made of merged windows, and tiles: the points of one stream laid side by side.

    tile   a frame over, field after field of POINT, its bytes by significance: byte k of every slot

A slot without a point has `state` 0. Equal places stand together, which a compressor wants, and all
tiles of a level are equally long, so that hundreds are read as one array.

    figures   what a block says of its streams: their ids, a POINT of each, and a checksum
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import DELAYS, MERGED, Aggregate
from controller.store.quantiles import quantile_columns
from messages.columns import malformed
from messages.frame import opener, sealer
from probes import measures
from probes.window import COUNTERS, DISTRIBUTIONS

QUANTILES = (50, 95, 99)
_MEASURED = ("rtt", "forward", "backward")
# What a point holds. Counts have room for their sums: a day of a fast stream exceeds 2^32. Delays
# are float32 (6e-8 of the value): NaN is absent, +inf a quantile that falls among the lost.
# `state`: bit 0 there is a point, bit 1 all of it was measured while starved.
POINT = np.dtype(
    [(name, "<i8") for name in COUNTERS]
    + [(f"{delay}_{end}_ns", "<f4") for delay in _MEASURED for end in ("min", "mean", "max")]
    + [(f"{delay}_p{level}_ns", "<f4") for delay in DISTRIBUTIONS for level in QUANTILES]
    + [(name, "<f4") for name in MERGED]
    + [("clock_bound_ns", "<f4"), ("timestamping", "u1"), ("state", "u1")]
)
PRESENT, SUSPECT = 1, 2
_CRC_BYTES = 4
_TILES_AT_ONCE = 16
_MAX_TILE_BYTES = 1 << 20


def points_of(aggregate: Aggregate) -> NDArray[Any]:
    """Return a point for every row of an aggregate: POINT[n]."""
    points = np.zeros(len(aggregate.row), POINT)
    for name in COUNTERS:
        points[name] = aggregate.counters[name]
    for delay in DELAYS:
        points[f"{delay}_min_ns"] = aggregate.least_ns[delay]
        points[f"{delay}_max_ns"] = aggregate.most_ns[delay]
        points[f"{delay}_mean_ns"] = aggregate.mean_ns(delay)
    for one in measures.DISTRIBUTIONS:
        columns = quantile_columns(
            one,
            QUANTILES,
            aggregate.distributions[one.name],
            aggregate.counters,
            aggregate.least_ns.get(one.name),
            aggregate.most_ns.get(one.name),
        )
        for name, column in columns.items():
            points[name] = column
    for name in MERGED:
        points[name] = aggregate.values[name]
    points["clock_bound_ns"] = aggregate.clock_bound_ns
    points["timestamping"] = aggregate.timestamping
    points["state"] = PRESENT | np.where(aggregate.suspect, SUSPECT, 0)
    return points


def pack_tiles(points: NDArray[Any]) -> list[bytes]:
    """Return a tile for each row of POINT[n, slots]."""
    rows, slots = points.shape
    octets = np.ascontiguousarray(points).view(np.uint8).reshape(rows, slots, POINT.itemsize)
    compress = sealer()
    return [compress(row) for row in np.ascontiguousarray(octets.transpose(0, 2, 1))]


def unpack_tiles(tiles: Sequence[bytes], slots: int) -> NDArray[Any]:
    """Return POINT[len(tiles), slots]; some tiles at a time, so that they stay in the cache.

    Raises RemoteProtocolError for a tile that is damaged.
    """
    contents_of = opener(_MAX_TILE_BYTES)
    points = np.empty(len(tiles) * slots, POINT)
    octets = points.view(np.uint8).reshape(len(tiles), slots, POINT.itemsize)
    for begin in range(0, len(tiles), _TILES_AT_ONCE):
        some = tiles[begin : begin + _TILES_AT_ONCE]
        raw = np.frombuffer(b"".join([contents_of(tile) for tile in some]), np.uint8)
        if len(raw) != octets[begin : begin + len(some)].size:
            raise malformed("it has another length", "长度不符")
        planes = raw.reshape(len(some), POINT.itemsize, slots)
        octets[begin : begin + len(some)] = planes.transpose(0, 2, 1)
    return points.reshape(len(tiles), slots)


def pack_figures(stream_id: NDArray[np.uint64], points: NDArray[Any]) -> bytes:
    """Return a block's figures as bytes, behind them their CRC-32: they are read too often to be
    expanded each time."""
    figures = stream_id.tobytes() + points.tobytes()
    return figures + zlib.crc32(figures).to_bytes(_CRC_BYTES, "little")


def read_figures(figures: bytes) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    """Return (stream_id uint64[n], POINT[n]) of a block's figures. Raises RemoteProtocolError."""
    rows, rest = divmod(len(figures) - _CRC_BYTES, 8 + POINT.itemsize)
    crc = int.from_bytes(figures[-_CRC_BYTES:], "little")
    if rest or zlib.crc32(memoryview(figures)[:-_CRC_BYTES]) != crc:
        raise malformed("its checksum is wrong", "校验和不符")
    return np.frombuffer(figures, np.uint64, rows), np.frombuffer(figures, POINT, rows, 8 * rows)
