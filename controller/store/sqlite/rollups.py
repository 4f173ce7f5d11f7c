"""Rollups in the SQLite store: what is due, its blocks and tiles, and what is too old.

Ingest marks (agent, minute) as pending in the transaction that stores a chunk; whatever is pending
is still so after a crash, and a chunk that comes late marks its minute again. Rolling a minute up
marks its hour, an hour its day, a day its span of 30 days: each is rebuilt from all it consists
of, so the result does not depend on the order in which anything came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from controller.store.levels import (
    DAY,
    DAY_NS,
    HOUR,
    LEVELS,
    MINUTE,
    SECOND_NS,
    Level,
    Retention,
)
from controller.store.points import POINT, pack_figures, pack_tiles, points_of
from controller.store.readable import block_in, windows_in
from controller.store.rollup_blocks import Block, block_of, encode_block, joined
from controller.store.sqlite.database import Database
from probes.sockets.records import distinct
from probes.window import WindowBatch

# How long nothing new may have come before an interval is rolled up, so that a backlog that
# arrives in pieces is rolled up once.
_SETTLE_NS = (15 * SECOND_NS, 60 * SECOND_NS, 300 * SECOND_NS, 600 * SECOND_NS)
_BLOCKS_AT_ONCE = 8  # merged in one go; more cost memory
_CHUNKS_AT_ONCE = 64
_ROWS_AT_ONCE = 500
_PAGES_AT_ONCE = 1024
# Ingest refuses windows as old as the oldest kept; a day more lets their minutes be rebuilt.
_MARGIN_NS = DAY_NS
MARK = """
INSERT INTO pending (level, agent, start_ns, mark, since_ns) VALUES (?,?,?,1,?)
ON CONFLICT (level, agent, start_ns) DO UPDATE SET mark = mark + 1, since_ns = excluded.since_ns
"""
_DUE = """
SELECT agent, start_ns, mark FROM pending AS p
WHERE level = ? AND start_ns <= ? AND (since_ns <= ? OR since_ns > ?) AND NOT EXISTS (
  SELECT 1 FROM pending WHERE level = p.level - 1 AND agent = p.agent
  AND start_ns >= p.start_ns AND start_ns < p.start_ns + ?)
ORDER BY start_ns DESC LIMIT ?
"""
_DONE = "DELETE FROM pending WHERE level = ? AND agent = ? AND start_ns = ? AND mark = ?"
_PUT_BLOCK = (
    "INSERT OR REPLACE INTO rollups (level, agent, start_ns, figures, payload) VALUES (?,?,?,?,?)"
)
_PUT_TILE = "INSERT OR REPLACE INTO tiles (level, stream_id, start_ns, payload) VALUES (?,?,?,?)"
_LAID_OUT = (
    "UPDATE rollups SET figures = NULL WHERE level = ? AND agent = ? AND start_ns >= ? "
    "AND start_ns < ? AND figures IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class _Job:
    """Roll up `agent` from `start_ns` on: `code` is the level made, one above DAY only lays out."""

    code: int
    agent: str
    start_ns: int
    mark: int

    @property
    def made(self) -> Level | None:
        """The level of the block that is made."""
        return next((level for level in LEVELS if level.code == self.code), None)

    @property
    def laid_out(self) -> Level | None:
        """The level whose points become tiles."""
        return next((level for level in LEVELS if level.code == self.code - 1), None)

    @property
    def span_ns(self) -> int:
        """How long the interval is."""
        return _span_ns(self.code)


def _span_ns(code: int) -> int:
    return MINUTE.step_ns if code == MINUTE.code else LEVELS[code - 2].span_ns


class SqliteRollups:
    """Merges what is due and forgets what is too old, on the one writer; see `RollupStore`."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._db, self._retention = database, retention

    def roll_up(self, now_ns: int, limit: int) -> int:
        """Roll up at most about `limit` intervals that are due at `now_ns`; return how many."""
        done = 0
        for code in (MINUTE.code, HOUR.code, DAY.code, DAY.code + 1):
            due = self._due(code, now_ns, limit - done)
            waiting = [self._db.submit(self._work(job, now_ns)) for job in due]
            for future in waiting:
                future.result()
            done += len(waiting)
        return done

    def pending(self) -> int:
        """Return how many intervals wait, due or not."""
        return int(self._db.read("SELECT count(*) FROM pending")[0][0])

    def expire(self, now_ns: int) -> int:
        """Delete some rows that are too old at `now_ns`; return how many. Blocks."""
        rows = self._db.submit(lambda connection: self._delete(connection, now_ns)).result()
        if rows:
            self._db.submit(_give_back).result()
        return rows

    def _delete(self, connection: sqlite3.Connection, now_ns: int) -> int:
        oldest_ns = self._retention.oldest_ns("window", now_ns) - _MARGIN_NS
        rows = connection.execute(
            "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE start_ns < ? LIMIT ?)",
            (oldest_ns, _CHUNKS_AT_ONCE),
        ).rowcount
        for level in LEVELS:
            oldest_ns = self._retention.oldest_ns(level.name, now_ns) - _MARGIN_NS
            for table, length_ns in (("rollups", level.step_ns), ("tiles", level.span_ns)):
                rows += connection.execute(
                    f"DELETE FROM {table} WHERE id IN "  # noqa: S608 -- one of two constants
                    f"(SELECT id FROM {table} WHERE level = ? AND start_ns < ? LIMIT ?)",
                    (level.code, oldest_ns - length_ns, _ROWS_AT_ONCE),
                ).rowcount
        return rows

    def _due(self, code: int, now_ns: int, limit: int) -> list[_Job]:
        span_ns = _span_ns(code)
        settled_ns = now_ns - _SETTLE_NS[code - 1]
        # What was marked later than now, by a clock that was ahead, would wait for ever.
        values = (code, now_ns - span_ns, settled_ns, now_ns, span_ns, max(0, limit))
        return [_Job(code, *row) for row in self._db.read(_DUE, values)]

    def _work(self, job: _Job, now_ns: int) -> Callable[[sqlite3.Connection], None]:
        """Compute a job's rows, here and now; the returned function only writes them."""
        if job.code == MINUTE.code:
            batches = self._batches(job)
            blocks = {job.start_ns: block_of(batches)} if batches else {}
        else:
            blocks = self._blocks(job)
        tiles = _tiles(job, blocks)
        made = _merged(list(blocks.values())) if job.made is not None and blocks else None
        row = None
        if made is not None:
            figures = pack_figures(made.stream_id, points_of(made.aggregate))
            payload = encode_block(made, job.start_ns)
            row = (job.code, job.agent, job.start_ns, figures, payload)

        def write(connection: sqlite3.Connection) -> None:
            if row is not None:
                connection.execute(_PUT_BLOCK, row)
                above_ns = _span_ns(job.code + 1)
                above_start_ns = job.start_ns // above_ns * above_ns
                connection.execute(MARK, (job.code + 1, job.agent, above_start_ns, now_ns))
            connection.executemany(_PUT_TILE, tiles)
            end_ns = job.start_ns + job.span_ns
            connection.execute(_LAID_OUT, (job.code - 1, job.agent, job.start_ns, end_ns))
            connection.execute(_DONE, (job.code, job.agent, job.start_ns, job.mark))

        return write

    def _batches(self, job: _Job) -> list[WindowBatch]:
        rows = self._db.read(
            "SELECT payload FROM chunks WHERE agent = ? AND start_ns >= ? AND start_ns < ?",
            (job.agent, job.start_ns, job.start_ns + job.span_ns),
        )
        found = (windows_in(payload, f"a chunk of {job.agent}") for (payload,) in rows)
        return [batch for batch in found if batch is not None]

    def _blocks(self, job: _Job) -> dict[int, Block]:
        rows = self._db.read(
            "SELECT start_ns, payload FROM rollups WHERE level = ? AND agent = ? "
            "AND start_ns >= ? AND start_ns < ? ORDER BY start_ns",
            (job.code - 1, job.agent, job.start_ns, job.start_ns + job.span_ns),
        )
        found = {start_ns: block_in(payload, start_ns, job.agent) for start_ns, payload in rows}
        return {start_ns: block for start_ns, block in found.items() if block is not None}


def _give_back(connection: sqlite3.Connection) -> None:
    """Shrink the file a little where a quarter of it is free; else the space is used again."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free > connection.execute("PRAGMA page_count").fetchone()[0] // 4:
        connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()


def _merged(blocks: Sequence[Block]) -> Block:
    """Merge some blocks at a time; one alone is as good as merged."""
    total = blocks[0]
    for place in range(1, len(blocks), _BLOCKS_AT_ONCE):
        total = joined([total, *blocks[place : place + _BLOCKS_AT_ONCE]])
    return total


def _tiles(job: _Job, blocks: dict[int, Block]) -> list[tuple[int, int, int, bytes]]:
    """Return the rows of tiles: one per stream, the points of all blocks side by side."""
    level = job.laid_out
    if level is None or not blocks:
        return []
    stream_id = distinct(np.concatenate([block.stream_id for block in blocks.values()]))
    points = np.zeros((len(stream_id), level.slots), POINT)
    for start_ns, block in blocks.items():
        slot = (start_ns - job.start_ns) // level.step_ns
        points[np.searchsorted(stream_id, block.stream_id), slot] = points_of(block.aggregate)
    tiles = pack_tiles(points)
    ids: list[int] = stream_id.tolist()
    return [(level.code, ids[i], job.start_ns, tile) for i, tile in enumerate(tiles)]
