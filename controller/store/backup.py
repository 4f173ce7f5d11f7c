"""Copies of the database while the controller runs, and whether what is in one can be read.

Both need no lock: they read one consistent state (SQLite's WAL), while the controller goes on.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.store.blocks import decode_block
from controller.store.levels import LEVELS
from controller.store.points import unpack_tiles
from controller.store.schema import APPLICATION_ID
from controller.store.sqlite_file import FILE_NAME
from probes.chunk import decode_chunk
from probes.errors import ConfigError, RemoteProtocolError, ResourceError
from probes.private_files import make_private_file
from probes.reasons import reason_of

_ROWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a database holds, and what of it is damaged: sentences of SQLite's, names of rows."""

    chunks: int
    windows: int
    rollups: int
    tiles: int
    damaged: tuple[str, ...]


def database_in(place: pathlib.Path) -> pathlib.Path:
    """Return the database of a data directory, or `place` itself if it is a file."""
    return place / FILE_NAME if place.is_dir() else place


def back_up(data: pathlib.Path, to: pathlib.Path) -> int:
    """Write a copy of the database to a new file; return its bytes.

    The copy has its final name only once it is whole and on the disk. Raises ConfigError where
    there is no database or the file exists, ResourceError where it cannot be written.
    """
    if to.exists():
        raise ConfigError(
            f"{to} exists already; a backup never overwrites: choose another name.",
            f"{to} 已存在；备份不会覆盖已有文件，请换一个文件名。",
            file=str(to),
        )
    to = to.resolve()  # the file that a link names, not the link
    part = to.with_name(to.name + ".part")
    with contextlib.closing(_opened(database_in(data))) as source:
        try:
            part.unlink(missing_ok=True)
            make_private_file(part)
            with contextlib.closing(sqlite3.connect(part)) as target:
                source.backup(target)  # in one step: one read transaction, whatever is written
            _sync(part)
            part.replace(to)
            _sync(to.absolute().parent)
            return to.stat().st_size
        except (OSError, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            reason = reason_of(error)
            raise ResourceError(
                f"The backup {to} cannot be written ({reason.en}); check the directory, its "
                "rights and the free space.",
                f"无法写入备份 {to}（{reason.zh}）；请检查目录、权限和剩余空间。",
                file=str(to),
            ) from error


def check(place: pathlib.Path) -> Checked:
    """Read everything in a database (or backup) and say what is damaged. Raises ConfigError."""
    with contextlib.closing(_opened(database_in(place))) as source:
        try:
            told = [row[0] for row in source.execute("PRAGMA integrity_check(100)")]
            damaged = [line for line in told if line != "ok"]
            chunks = windows = rollups = tiles = 0
            for name, (rows, payload) in _rows(source, "chunks", "agent, boot, sequence", "rows"):
                chunks += 1
                windows += rows
                damaged += _trouble(f"chunk {name}", decode_chunk, payload)
            for name, (start_ns, payload) in _rows(source, "rollups", "level, agent", "start_ns"):
                rollups += 1
                damaged += _trouble(f"rollup {name}", _read_block(start_ns), payload)
            slots = {level.code: level.slots for level in LEVELS}
            for name, (level, payload) in _rows(source, "tiles", "stream_id, start_ns", "level"):
                tiles += 1
                damaged += _trouble(f"tile {name}", _read_tile(slots.get(level, 0)), payload)
        except sqlite3.DatabaseError as error:
            return Checked(chunks=0, windows=0, rollups=0, tiles=0, damaged=(str(error),))
    return Checked(
        chunks=chunks, windows=windows, rollups=rollups, tiles=tiles, damaged=tuple(damaged)
    )


def _read_block(start_ns: int) -> Callable[[bytes], object]:
    return lambda payload: decode_block(payload, start_ns)


def _read_tile(slots: int) -> Callable[[bytes], object]:
    return lambda payload: unpack_tiles([payload], slots)


def _trouble(name: str, read: Callable[[bytes], object], payload: bytes) -> list[str]:
    try:
        read(payload)
    except (RemoteProtocolError, ValueError) as error:
        return [f"{name}: {error}"]
    return []


def _rows(
    source: sqlite3.Connection, table: str, key: str, column: str
) -> Iterator[tuple[str, tuple[int, bytes]]]:
    """Yield (what the row is, its number and payload) of every row, few at a time."""
    found = source.execute(f"SELECT {column}, payload, {key} FROM {table} ORDER BY id")  # noqa: S608 -- constants of this module
    while some := found.fetchmany(_ROWS_AT_ONCE):
        for row in some:
            yield " ".join(str(part) for part in row[2:]), (row[0], row[1])


def _opened(path: pathlib.Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ConfigError(
            f"There is no database {path}; name the controller's data directory with --data.",
            f"找不到数据库 {path}；请用 --data 指定控制器的数据目录。",
            file=str(path),
        )
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.DatabaseError:
        owner = None
    if owner != APPLICATION_ID:
        connection.close()
        raise ConfigError(
            f"{path} is not a database of Isochrone.",
            f"{path} 不是 Isochrone 的数据库。",
            file=str(path),
        )
    return connection


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
