"""The spool's SQLite file: how it is opened and made."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import ResourceError
from foundation.private_files import NoRegularFileError, make_private_database
from foundation.reasons import reason_of
from foundation.sqlite_faults import is_damage

Connect = Callable[[Path], sqlite3.Connection]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    sequence INTEGER PRIMARY KEY,
    boot     TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    counts   TEXT NOT NULL,      -- results by kind and their probes, JSON
    bytes    INTEGER NOT NULL,
    kept_ns  INTEGER NOT NULL,   -- how long the agent had run in all when it came
    refused  TEXT,               -- why the controller would not have it; NULL: to be delivered
    payload  BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS chunk_by_age ON chunk (kept_ns);
CREATE INDEX IF NOT EXISTS chunk_refused ON chunk (sequence) WHERE refused IS NOT NULL;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
_SCHEMA_VERSION = 5


class DamagedSpoolError(Exception):
    """The file is no spool any more."""


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
    """Open the file, or make it, for its owner alone.

    DamagedSpoolError: it is no database, or a damaged one. ResourceError: it cannot be used, or is
    of another version.
    """
    try:
        make_private_database(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A small log: on a small disk one of the usual 4 MB would leave no room to empty it.
        connection.execute("PRAGMA wal_autocheckpoint = 64")
        connection.execute("PRAGMA journal_size_limit = 262144")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;"
            )
    except (OSError, sqlite3.Error) as error:
        if is_damage(error) or isinstance(error, NoRegularFileError):
            raise DamagedSpoolError(str(error)) from error
        reason = reason_of(error)
        raise ResourceError(
            f"The spool {path} cannot be used ({reason.en}). Free space on its disk and check the "
            "directory's permissions.",
            f"无法使用缓存文件 {path}（{reason.zh}）。请清理磁盘空间并检查目录权限。",
            file=str(path),
        ) from error
    if found not in (0, _SCHEMA_VERSION):
        connection.close()
        raise ResourceError(
            f"The spool {path} was made by another version of Isochrone (format {found}); use that "
            "version, or move the file away to begin a new spool.",
            f"缓存文件 {path} 由其他版本的 Isochrone 创建（格式 {found}）；请使用该版本，"
            "或移走该文件以重新开始。",
            file=str(path),
        )
    return connection


def set_aside(path: Path, suffix: str) -> Path:
    """Rename the file and its log so that a new one can begin; return the new name."""
    for number in itertools.count():
        name = f"{path.name}.damaged-{suffix}" + (f"-{number}" if number else "")
        if not path.with_name(name).exists():
            break
    for ending in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(path.with_name(name + ending))
    return path.with_name(name)
