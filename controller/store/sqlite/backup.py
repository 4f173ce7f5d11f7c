"""Copies of the database while the controller runs, and whether what is in one can be read.

Neither needs a lock: they read one consistent state (SQLite's WAL), while the controller continues.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from collections.abc import Callable
from typing import Any

from controller.store.baseline_content import content_of
from controller.store.engines import Checked, Examined
from controller.store.levels import LEVELS
from controller.store.points import read_figures, unpack_tiles
from controller.store.records import BaselineRecord
from controller.store.rollup_blocks import MAX_EXPANDED_BYTES, decode_block
from controller.store.sqlite.database import FILE_NAME
from controller.store.sqlite.opening import damaged, foreign, open_to_read
from controller.store.sqlite.schema import APPLICATION_ID
from controller.store.sqlite.windows import packed_counts
from foundation.errors import ConfigError, IsochroneError, RemoteProtocolError, ResourceError
from foundation.input_files import named_file
from foundation.private_files import make_private_file
from foundation.reasons import reason_of
from foundation.text import Text
from messages.chunk import decode_chunk
from messages.frame import unseal

_ROWS_AT_ONCE = 64
_BASELINE = ("name", "from_ns", "to_ns", "sealed_ns", "digest", "content")


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
    try:
        to = named_file(to)  # the file that a link names, not the link
    except OSError as error:
        reason = reason_of(error)
        raise ResourceError(
            f"The backup {to} cannot be written ({reason.en}); choose another name.",
            f"无法写入备份 {to}（{reason.zh}）；请换一个文件名。",
            file=str(to),
        ) from error
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
                f"permissions and the free space.",
                f"无法写入备份 {to}（{reason.zh}）；请检查目录、权限和剩余空间。",
                file=str(to),
            ) from error


def check(place: pathlib.Path) -> Checked:
    """Read everything in a database (or backup) and say what is damaged. ConfigError where there is
    none of ours, ResourceError where it cannot be read."""
    with contextlib.closing(_opened(database_in(place))) as source:
        found = _FullRead(source)
        found.structure()
        slots = {level.code: level.slots for level in LEVELS}
        chunks = found.rows(
            "chunk", "chunks", "agent, boot, sequence", "counts, payload", _read_chunk
        )
        windows = found.counted
        rollups = found.rows(
            "rollup", "rollups", "level, agent, start_ns", "start_ns, payload, figures", _read_block
        )
        tiles = found.rows(
            "tile",
            "tiles",
            "stream_id, start_ns",
            "level, payload",
            lambda level, payload: unpack_tiles([payload], slots.get(level, 0)),
        )
        found.rows(
            "plan", "plans", "agent, version", "content", _read_frame, order="agent, version"
        )
        found.rows("report", "campaign_reports", "id", "page", _read_frame)
        found.rows(
            "baseline",
            "baselines",
            "name",
            "name, from_ns, to_ns, sealed_ns, digest, content",
            _read_baseline,
            order="name",
        )
    return Checked(
        chunks=chunks, windows=windows, rollups=rollups, tiles=tiles, damaged=tuple(found.damaged)
    )


def examine(directory: pathlib.Path) -> Examined | None:
    """Say at a glance whether the database of a directory is sound; None where there is none."""
    path = directory / FILE_NAME
    with contextlib.suppress(PermissionError):  # `open_to_read` says so
        if not os.path.lexists(path):
            return None
    try:
        with contextlib.closing(open_to_read(path)) as database:
            (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        sound = str(error)
    except IsochroneError as error:
        return Examined(sound=False, text=error.text)
    if sound != "ok":
        said = Text(
            f"{path} is damaged ({sound}); stop the controller and restore a backup.",
            f"{path} 已损坏（{sound}）；请停止控制器并从备份恢复。",
        )
        return Examined(sound=False, text=said)
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    return Examined(sound=True, text=Text(f"{path} is sound, {size}.", f"{path} 完好，{size}。"))


class _FullRead:
    """One reading of a whole database; damage in one place does not keep it from the others."""

    def __init__(self, source: sqlite3.Connection) -> None:
        self._source = source
        self.damaged: list[str] = []
        self.counted = 0  # what the readers of the last table returned, added up

    def structure(self) -> None:
        """Let SQLite look at its own pages."""
        try:
            told = [str(row[0]) for row in self._source.execute("PRAGMA integrity_check(100)")]
        except sqlite3.Error as error:
            told = [str(error)]
        self.damaged += [line for line in told if line != "ok"]

    def rows(
        self,
        what: str,
        table: str,
        key: str,
        columns: str,
        read: Callable[..., object],
        order: str = "id",
    ) -> int:
        """Read every row of a table by `read`, few at a time; return how many there are."""
        count, self.counted, keys = 0, 0, key.count(",") + 1
        try:
            source = self._source.execute(f"SELECT {key}, {columns} FROM {table} ORDER BY {order}")  # noqa: S608 -- constants of this module
            while some := source.fetchmany(_ROWS_AT_ONCE):
                for row in some:
                    count += 1
                    name = f"{what} {' '.join(str(part) for part in row[:keys])}"
                    self._row(name, read, row[keys:])
        except sqlite3.Error as error:
            self.damaged.append(f"{table}: {error}")
        return count

    def _row(self, name: str, read: Callable[..., object], values: tuple[object, ...]) -> None:
        try:
            found = read(*values)
            self.counted += found if isinstance(found, int) else 0
        except (RemoteProtocolError, ValueError, TypeError, KeyError, OverflowError) as error:
            self.damaged.append(f"{name}: {error}")


def _read_chunk(counts: str, payload: bytes) -> int:
    chunk = decode_chunk(payload)
    if packed_counts(chunk.counts) != counts:
        raise ValueError(f"it holds {packed_counts(chunk.counts)}, not {counts}")
    return chunk.batch.rows


def _read_block(start_ns: int, payload: bytes, figures: bytes | None) -> None:
    decode_block(payload, start_ns)
    if figures is not None:
        read_figures(figures)


def _read_frame(frame: bytes) -> None:
    unseal(frame, MAX_EXPANDED_BYTES)


def _read_baseline(*columns: Any) -> None:
    content_of(BaselineRecord(**dict(zip(_BASELINE, columns, strict=True))))


def _opened(path: pathlib.Path) -> sqlite3.Connection:
    connection = open_to_read(path)
    try:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.Error as error:
        connection.close()
        if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_NOTADB:
            raise foreign(path) from error
        raise damaged(path, error) from error
    if owner != APPLICATION_ID:
        connection.close()
        raise foreign(path)
    return connection


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
