"""The spool's SQLite file: how it is opened, made, and carried over from earlier versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from probes.chunk import decode_chunk
from probes.errors import RemoteProtocolError, ResourceError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    sequence INTEGER PRIMARY KEY,
    start_ns INTEGER NOT NULL,
    windows  INTEGER NOT NULL,
    probes   INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    refused  TEXT,               -- why the controller would not have it; NULL: to be delivered
    payload  BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS chunk_by_age ON chunk (start_ns);
CREATE INDEX IF NOT EXISTS chunk_refused ON chunk (sequence) WHERE refused IS NOT NULL;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
_SCHEMA_VERSION = 2
# Version 1 did not know the probes of a chunk; how many windows it had dropped it knew.
_FROM_1 = """
ALTER TABLE chunk RENAME TO chunk_1;
{schema}
INSERT INTO chunk SELECT sequence, start_ns, windows, probes_of(payload), bytes, refused, payload
    FROM chunk_1;
DROP TABLE chunk_1;
UPDATE counter SET name = 'dropped.no_room.windows' WHERE name = 'dropped_windows';
UPDATE counter SET name = 'dropped.refused.windows' WHERE name = 'refused_windows';
INSERT OR REPLACE INTO counter SELECT 'accounted.windows', coalesce(sum(windows), 0) FROM chunk;
INSERT OR REPLACE INTO counter SELECT 'accounted.probes', coalesce(sum(probes), 0) FROM chunk;
"""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def open_spool(path: Path) -> sqlite3.Connection:
    """Open the file, or make it. ResourceError: it cannot be used, or is of a newer version."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A small log: on a small disk one of the usual 4 MB would leave no room to empty it.
        connection.execute("PRAGMA wal_autocheckpoint = 64")
        connection.execute("PRAGMA journal_size_limit = 262144")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found in (0, 1):
            _make(connection, from_1=found == 1)
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


def _make(connection: sqlite3.Connection, *, from_1: bool) -> None:
    """Make the tables, or carry those of version 1 over, in one transaction."""
    connection.create_function("probes_of", 1, _probes_of)
    script = _FROM_1.format(schema=_SCHEMA) if from_1 else _SCHEMA
    connection.executescript(
        f"BEGIN IMMEDIATE;{script}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;"
    )


def _probes_of(payload: bytes) -> int:
    try:
        return int(decode_chunk(payload).batch.counters["sent"].sum())
    except RemoteProtocolError:  # it will be refused, too
        return 0
