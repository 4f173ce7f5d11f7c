"""The spool: chunks on disk until the controller has committed them.

One SQLite file in WAL mode, fully synchronous: what `put` returned for is there after kill -9 and
after a power cut. The sequence of chunks goes on across restarts; each start has a new boot id, so
that a spool restored from an old copy can never pass new windows off as ones already delivered.

This module is the file itself and may block; `agent.spooler` runs it on a thread of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probes.errors import ResourceError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    sequence INTEGER PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    windows  INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    refused  TEXT,               -- why the controller would not have it; NULL: to be delivered
    payload  BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledChunk:
    """An encoded chunk with what the spool must know of it."""

    sequence: int
    start_ns: int
    windows: int
    payload: bytes


class SpoolFile:
    """The spool's SQLite file. Raises sqlite3.OperationalError when the disk is full."""

    def __init__(self, path: Path, *, max_bytes: int, max_age_ns: int) -> None:
        self._max_bytes = max_bytes
        self._max_age_ns = max_age_ns
        self._connection = _open(path)
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0), coalesce(max(sequence), 0) FROM chunk"
        ).fetchone()
        self.chunks, self.bytes = int(row[0]), int(row[1])
        self.next_sequence = max(self._counter("next_sequence"), int(row[2]) + 1)
        self.dropped_windows = self._counter("dropped_windows")
        self.refused_windows = self._counter("refused_windows")

    def put(self, chunks: list[SpooledChunk], now_ns: int, dropped_windows: int = 0) -> None:
        """Commit chunks, dropping the oldest that no longer fit; all of it or nothing.

        `dropped_windows` were lost before they came here and are only counted.
        """
        with _transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, NULL, ?)",
                [(c.sequence, c.start_ns, c.windows, len(c.payload), c.payload) for c in chunks],
            )
            added_bytes = sum(len(chunk.payload) for chunk in chunks)
            doomed = self._doomed(self.bytes + added_bytes, now_ns)
            self._delete([sequence for sequence, _, _ in doomed])
            dropped_windows += sum(windows for _, windows, _ in doomed)
            following = max([self.next_sequence, *(chunk.sequence + 1 for chunk in chunks)])
            self._set_counter("next_sequence", following)
            self._set_counter("dropped_windows", self.dropped_windows + dropped_windows)
        self.next_sequence = following
        self.dropped_windows += dropped_windows
        self.chunks += len(chunks) - len(doomed)
        self.bytes += added_bytes - sum(size for _, _, size in doomed)

    def pending(
        self, limit: int, *, newest: bool = False, skip: frozenset[int]
    ) -> list[SpooledChunk]:
        """Return up to `limit` chunks to deliver, oldest (or newest) first, without `skip`."""
        order = "DESC" if newest else "ASC"
        rows = self._connection.execute(
            "SELECT sequence, start_ns, windows, payload FROM chunk WHERE refused IS NULL"  # noqa: S608 (order is one of two constants)
            f" ORDER BY sequence {order} LIMIT ?",
            (limit + len(skip),),
        )
        found = [
            SpooledChunk(sequence=row[0], start_ns=row[1], windows=row[2], payload=row[3])
            for row in rows
            if row[0] not in skip
        ]
        return found[:limit]

    def delete(self, sequences: list[int]) -> None:
        """Forget chunks that the controller has committed."""
        with _transaction(self._connection):
            freed = self._delete(sequences)
        self.chunks -= len(freed)
        self.bytes -= sum(freed)

    def refuse(self, sequence: int, reason: str) -> None:
        """Keep a chunk, out of the way, that the controller will not have."""
        with _transaction(self._connection):
            row = self._connection.execute(
                "UPDATE chunk SET refused = ? WHERE sequence = ? AND refused IS NULL"
                " RETURNING windows",
                (reason, sequence),
            ).fetchone()
            refused = int(row[0]) if row else 0
            self._set_counter("refused_windows", self.refused_windows + refused)
        self.refused_windows += refused

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _doomed(self, total_bytes: int, now_ns: int) -> list[tuple[int, int, int]]:
        """Return (sequence, windows, bytes) of what is too old or does not fit; refused first."""
        rows = self._connection.execute(
            "SELECT sequence, windows, bytes, start_ns FROM chunk"
            " WHERE ? > ? OR start_ns < ? ORDER BY refused IS NULL, sequence",
            (total_bytes, self._max_bytes, now_ns - self._max_age_ns),
        )
        doomed = []
        for sequence, windows, size, start_ns in rows:
            if start_ns < now_ns - self._max_age_ns or total_bytes > self._max_bytes:
                doomed.append((sequence, windows, size))
                total_bytes -= size
        return doomed

    def _delete(self, sequences: list[int]) -> list[int]:
        freed: list[int] = []
        for sequence in sequences:
            found = self._connection.execute(
                "DELETE FROM chunk WHERE sequence = ? RETURNING bytes", (sequence,)
            ).fetchall()
            freed.extend(int(row[0]) for row in found)
        return freed

    def _counter(self, name: str) -> int:
        row = self._connection.execute(
            "SELECT value FROM counter WHERE name = ?", (name,)
        ).fetchone()
        return int(row[0]) if row else 0

    def _set_counter(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (name, value))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(_SCHEMA + f"PRAGMA user_version = {_SCHEMA_VERSION};")
        elif found != _SCHEMA_VERSION:
            raise ResourceError(
                f"The spool {path} was made by a newer Isochrone (format {found}); upgrade this "
                "program, or move the file away to begin a new spool.",
                f"缓存文件 {path} 由更新版本的 Isochrone 创建（格式 {found}）；请升级本程序，"
                "或移走该文件以重新开始。",
                file=str(path),
            )
    except sqlite3.Error as error:
        raise ResourceError(
            f"The spool {path} cannot be used: {error}. Free space on its disk, check the "
            "directory's permissions, or move a damaged file away.",
            f"无法使用缓存文件 {path}：{error}。请清理磁盘空间、检查目录权限，或移走损坏的文件。",
            file=str(path),
        ) from error
    return connection
