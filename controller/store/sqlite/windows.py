"""The windows in the SQLite store: chunks as agents sent them, found by agent and time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import msgspec

from controller.store.interface import other_boot
from controller.store.levels import MINUTE
from controller.store.records import MAX_DURATION_NS, AgentTotals, StoredChunk
from controller.store.sqlite.database import Database
from controller.store.sqlite.rollups import MARK
from messages.sections.windows import WINDOWS

_COLUMNS = (
    "agent, boot, sequence, plan_version, start_ns, duration_ns, counts, received_ns, payload"
)
_INSERT = f"INSERT OR IGNORE INTO chunks ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608 -- constants alone
SINCE = (
    f"SELECT {_COLUMNS}, id FROM chunks WHERE (start_ns, id) > (?, ?) "  # noqa: S608 -- constants alone
    "ORDER BY start_ns, id LIMIT 256"
)
_NAMED = "SELECT counts FROM chunks WHERE agent = ? AND boot = ? AND sequence = ?"
_BESIDE = (
    "SELECT 1 FROM chunks WHERE agent = ? AND start_ns > ? AND start_ns < ? "
    "AND start_ns + duration_ns > ? AND boot != ? AND counts != '{}' LIMIT 1"
)
_COUNT = """
INSERT INTO agents (name, chunks, last_window_ns, last_received_ns) VALUES (?,1,?,?)
ON CONFLICT (name) DO UPDATE SET
  chunks = chunks + 1,
  last_window_ns = max(coalesce(last_window_ns, excluded.last_window_ns),
    coalesce(excluded.last_window_ns, last_window_ns)),
  last_received_ns = excluded.last_received_ns
"""
_COUNT_RESULTS = """
INSERT INTO results (agent, kind, results) VALUES (?,?,?)
ON CONFLICT (agent, kind) DO UPDATE SET results = results + excluded.results
"""


class SqliteWindows:
    """Keeps chunks as rows; see `WindowStore`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_chunk(self, chunk: StoredChunk, *, alone: bool = False) -> Future[bool]:
        """Store a chunk once; see `WindowStore.put_chunk`."""

        def write(connection: sqlite3.Connection) -> bool:
            if alone and not _is_known(connection, chunk):
                _refuse_beside_another(connection, chunk)
            cursor = connection.execute(_INSERT, _row_of(chunk))
            if cursor.rowcount == 0:
                return False
            window_ns = chunk.end_ns if chunk.windows else None
            connection.execute(_COUNT, (chunk.agent, window_ns, chunk.received_ns))
            for kind, count in chunk.counts.items():
                connection.execute(_COUNT_RESULTS, (chunk.agent, kind, count))
            if not chunk.windows:
                return True
            minute_ns = chunk.start_ns // MINUTE.step_ns * MINUTE.step_ns
            connection.execute(MARK, (MINUTE.code, chunk.agent, minute_ns, chunk.received_ns))
            return True

        return self._db.submit(write, len(chunk.payload))

    def counts_of(self, agent: str, boot: str, sequence: int) -> dict[str, int] | None:
        """Return what the chunk of that name holds; see `WindowStore.counts_of`."""
        rows = self._db.read(_NAMED, (agent, boot, sequence))
        return unpacked_counts(rows[0][0]) if rows else None

    def agent_totals(self) -> dict[str, AgentTotals]:
        """Return what is held of each agent."""
        results: dict[str, dict[str, int]] = {}
        for agent, kind, count in self._db.read("SELECT agent, kind, results FROM results", ()):
            results.setdefault(agent, {})[kind] = count
        rows = self._db.read(
            "SELECT name, chunks, last_window_ns, last_received_ns FROM agents", ()
        )
        return {
            row[0]: AgentTotals(
                results=results.get(row[0], {}),
                chunks=row[1],
                last_window_ns=row[2],
                last_received_ns=row[3],
            )
            for row in rows
        }

    def oldest_ns(self) -> int | None:
        """Return where the oldest window begins; see `WindowStore.oldest_ns`."""
        found: int | None = self._db.read("SELECT min(start_ns) FROM chunks")[0][0]
        return found

    def chunks_of(
        self, agent: str, from_ns: int, to_ns: int, limit: int, *, kind: str = WINDOWS.name
    ) -> tuple[list[StoredChunk], int | None]:
        """Return chunks of one agent in a range of time; see `WindowStore.chunks_of`."""
        holds = f'%"{kind}":%'
        bounds = self._db.read(
            "SELECT start_ns FROM chunks WHERE agent = ? AND start_ns >= ? AND start_ns < ? "
            "AND counts LIKE ? ORDER BY start_ns LIMIT 1 OFFSET ?",
            (agent, from_ns, to_ns, holds, limit),
        )
        end_ns = to_ns if not bounds else max(bounds[0][0], from_ns + 1)
        rows = self._db.read(
            f"SELECT {_COLUMNS} FROM chunks WHERE agent = ? AND start_ns >= ? AND start_ns < ? "  # noqa: S608 -- constants alone
            "AND counts LIKE ? ORDER BY start_ns, id",
            (agent, from_ns, end_ns, holds),
        )
        return [_chunk_of(row) for row in rows], (end_ns if bounds else None)

    def chunks_since(self, from_ns: int) -> Iterator[StoredChunk]:
        """Yield every chunk with start_ns ≥ from_ns; see `WindowStore.chunks_since`."""
        last_id = 0  # by time, as the index has it: by id alone, all that is older would be read
        while True:
            rows = self._db.read(SINCE, (from_ns, last_id))
            if not rows:
                return
            chunks = [_chunk_of(row[:-1]) for row in rows]
            from_ns, last_id = chunks[-1].start_ns, rows[-1][-1]
            yield from chunks


def _is_known(connection: sqlite3.Connection, chunk: StoredChunk) -> bool:
    key = (chunk.agent, chunk.boot, chunk.sequence)
    return connection.execute(_NAMED, key).fetchone() is not None


def _refuse_beside_another(connection: sqlite3.Connection, chunk: StoredChunk) -> None:
    """Raise OtherBootError where another boot's windows of a chunk's time are stored."""
    earliest_ns = chunk.start_ns - MAX_DURATION_NS
    asked = (chunk.agent, earliest_ns, chunk.end_ns, chunk.start_ns, chunk.boot)
    if not chunk.is_empty and connection.execute(_BESIDE, asked).fetchone() is not None:
        raise other_boot(chunk.agent)


def packed_counts(counts: Mapping[str, int]) -> str:
    """Return counts of results by kind as a text, none of those that are 0."""
    return msgspec.json.encode({kind: n for kind, n in counts.items() if n}).decode()


def unpacked_counts(text: str) -> dict[str, int]:
    """Return the counts in a text. ValueError for another text."""
    return msgspec.json.decode(text, type=dict[str, int])


def _row_of(chunk: StoredChunk) -> tuple[Any, ...]:
    return (
        chunk.agent,
        chunk.boot,
        chunk.sequence,
        chunk.plan_version,
        chunk.start_ns,
        chunk.duration_ns,
        packed_counts(chunk.counts),
        chunk.received_ns,
        chunk.payload,
    )


def _chunk_of(row: tuple[Any, ...]) -> StoredChunk:
    return StoredChunk(
        agent=row[0],
        boot=row[1],
        sequence=row[2],
        plan_version=row[3],
        start_ns=row[4],
        duration_ns=row[5],
        counts=unpacked_counts(row[6]),
        received_ns=row[7],
        payload=row[8],
    )
