"""Reading figures over time out of the SQLite store: tiles, and points not yet laid out in them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.levels import HOUR, LEVELS, MINUTE, Level, LevelName, held_level, level_for
from controller.store.points import POINT, PRESENT, read_figures, unpack_tiles
from controller.store.readable import block_in, sound, windows_in
from controller.store.records import StreamRecord
from controller.store.rollup_blocks import Block
from controller.store.series import Series, series_of_points, series_of_windows
from controller.store.sqlite.database import Database
from foundation.errors import RemoteProtocolError
from probes.sockets.records import records

_TILES = (
    "SELECT start_ns, payload FROM tiles WHERE level = ? AND stream_id = ? AND start_ns > ? "
    "AND start_ns < ? ORDER BY start_ns"
)
_OPEN = (
    "SELECT start_ns, figures FROM rollups INDEXED BY open_rollups WHERE level = ? AND agent = ? "
    "AND start_ns >= ? AND start_ns < ? AND figures IS NOT NULL"
)
_WHOLE = """
SELECT start_ns, payload FROM rollups AS r
WHERE level = ? AND agent = ? AND start_ns >= ? AND start_ns < ?
AND NOT EXISTS (SELECT 1 FROM pending
  WHERE level = ? AND agent = r.agent AND start_ns = r.start_ns)
AND NOT EXISTS (SELECT 1 FROM pending
  WHERE level = ? AND agent = r.agent AND start_ns >= r.start_ns AND start_ns < r.start_ns + ?)
ORDER BY start_ns
"""
_CHUNKS = (
    "SELECT payload FROM chunks WHERE agent = ? AND start_ns >= ? "
    "AND start_ns < ? ORDER BY start_ns"
)


class SqliteSeries:
    """Reads series and whole hours; see `SeriesStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def read(
        self,
        streams: Sequence[StreamRecord],
        from_ns: int,
        to_ns: int,
        *,
        step_ns: int | None = None,
        max_points: int | None = None,
    ) -> Series:
        """Return figures of streams; see `SeriesStore.read`."""
        oldest = self._oldest(streams)
        if step_ns is None and oldest:
            from_ns = max(from_ns, min(min(oldest.values()), to_ns))
        level = held_level(level_for(from_ns, to_ns, step_ns, max_points), oldest, from_ns)
        if level is None:
            return self._of_windows(streams, from_ns, to_ns)
        return series_of_points(
            level, [self._of_level(level, stream, from_ns, to_ns) for stream in streams]
        )

    def hours_of(self, agent: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, Block]]:
        """Yield an agent's hours that nothing waits for; see `SeriesStore.hours_of`."""
        step_ns = HOUR.step_ns
        values = (HOUR.code, agent, from_ns, to_ns, HOUR.code, MINUTE.code, step_ns)
        for start_ns, payload in self._db.read(_WHOLE, values):
            block = block_in(payload, start_ns, agent)
            if block is not None:
                yield start_ns, block

    def _oldest(self, streams: Sequence[StreamRecord]) -> dict[LevelName, int]:
        """Return where each level begins, of those that hold something of these streams."""
        oldest: dict[LevelName, int] = {}

        def note(name: LevelName, sql: str, *values: Any) -> None:
            start_ns = self._db.read(sql, values)[0][0]
            if start_ns is not None:
                oldest[name] = min(oldest.get(name, start_ns), start_ns)

        for agent in {stream.agent for stream in streams}:
            note("window", "SELECT min(start_ns) FROM chunks WHERE agent = ?", agent)
            for level in LEVELS:
                sql = "SELECT min(start_ns) FROM rollups WHERE level = ? AND agent = ?"
                note(level.name, sql, level.code, agent)
        return oldest

    def _of_level(
        self, level: Level, stream: StreamRecord, from_ns: int, to_ns: int
    ) -> tuple[int, NDArray[np.int64], NDArray[Any]]:
        """Return (stream id, start_ns, points) of one stream, in no order."""
        values = (level.code, stream.stream_id, from_ns - level.span_ns, to_ns)
        rows, points = _tiles_in(self._db.read(_TILES, values), level, stream)
        newer = self._open(level, stream, from_ns, to_ns)
        laid_out = len(points)
        if newer:
            points = np.concatenate([points, np.frombuffer(b"".join(newer.values()), POINT)])
        begins = np.array([start_ns for start_ns, _ in rows], np.int64)
        steps = np.arange(level.slots) * level.step_ns
        newer_ns = np.array(list(newer), np.int64)
        start_ns = np.concatenate([(begins[:, None] + steps).reshape(-1), newer_ns])
        kept = (start_ns >= from_ns) & (start_ns < to_ns) & (points["state"] & PRESENT > 0)
        if newer and rows and newer_ns.min() <= begins[-1] + level.span_ns:
            kept[:laid_out] &= ~np.isin(start_ns[:laid_out], newer_ns)
        if not kept.any():
            return stream.stream_id, start_ns[:0], points[:0]
        # Mostly only the ends fall away, and a slice is no copy.
        inside = slice(int(kept.argmax()), len(kept) - int(kept[::-1].argmax()))
        if kept[inside].all():
            return stream.stream_id, start_ns[inside], points[inside]
        return stream.stream_id, start_ns[kept], records(points, kept)

    def _open(
        self, level: Level, stream: StreamRecord, from_ns: int, to_ns: int
    ) -> dict[int, bytes]:
        """Return by start the points, as bytes, that no tile holds yet."""
        found = {}
        for start_ns, figures in self._db.read(_OPEN, (level.code, stream.agent, from_ns, to_ns)):
            name = f"what {stream.agent} did from {start_ns} on"
            read = sound(name, functools.partial(read_figures, figures))
            if read is None:
                continue
            stream_id, points = read
            place = int(np.searchsorted(stream_id, np.uint64(stream.stream_id)))
            if place < len(stream_id) and stream_id[place] == stream.stream_id:
                found[start_ns] = points[place : place + 1].tobytes()
        return found

    def _of_windows(self, streams: Sequence[StreamRecord], from_ns: int, to_ns: int) -> Series:
        found = (
            windows_in(payload, f"a chunk of {agent}")
            for agent in sorted({stream.agent for stream in streams})
            for (payload,) in self._db.read(_CHUNKS, (agent, from_ns, to_ns))
        )
        batches = [batch for batch in found if batch is not None]
        return series_of_windows(batches, [stream.stream_id for stream in streams])


def _tiles_in(
    rows: list[tuple[Any, ...]], level: Level, stream: StreamRecord
) -> tuple[list[tuple[Any, ...]], NDArray[Any]]:
    """Return the rows of tiles that can be read, and their points."""
    try:
        return rows, unpack_tiles([payload for _, payload in rows], level.slots).reshape(-1)
    except RemoteProtocolError:
        name = f"what stream {stream.stream_id} did from {{}} on"
        some = [
            (row, sound(name.format(row[0]), functools.partial(unpack_tiles, row[1:], level.slots)))
            for row in rows
        ]
        kept = [(row, points) for row, points in some if points is not None]
        none = np.zeros(0, POINT)
        return [row for row, _ in kept], np.concatenate([none, *(p.reshape(-1) for _, p in kept)])
