"""One SQLite file with one writer and readers of their own; what stands on it are its tables.

WAL with synchronous=FULL: what was acknowledged survives a power cut as well as kill -9. Only one
controller may own a data directory, which a lock file sees to.

SQLite needs a little space to open a database (its log and the index of that). A file in the data
directory holds it: it is given up when a start finds the disk full, and taken again when there is
plenty.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from controller.data_directory import own_directory
from controller.store.interface import (
    DamagedStoreError,
    StoreFullError,
    StoreState,
    StoreTimeoutError,
)
from controller.store.sqlite.opening import open_to_write, reporting_damage
from controller.store.sqlite.writer import Writer
from foundation.errors import ResourceError
from foundation.private_files import FILE_MODE, tighten

FILE_NAME = "isochrone.db"
READ_LIMIT_S = 10.0
RESERVE_NAME = "reserve"
RESERVE_BYTES = 256 << 10
_PLENTY = 8  # times as much must be free before it is taken
Result = TypeVar("Result")
_STEPS_A_CHECK = 20_000  # virtual machine steps between two looks at the clock


class Database:
    """Opens, locks, writes and reads. Opening it may raise ConfigError or ResourceError."""

    def __init__(self, directory: pathlib.Path, *, max_pages: int | None = None) -> None:
        self.path = directory / FILE_NAME
        self._directory = directory
        self._lock_file = own_directory(directory, marks=(FILE_NAME,))
        try:
            try:
                connection = open_to_write(self.path, max_pages)
            except DamagedStoreError:
                raise
            except ResourceError:  # the disk may be full: to read what is there takes little
                if not _give_up_reserve(directory):
                    raise
                connection = open_to_write(self.path, max_pages)
            _take_reserve(directory)
        except BaseException:
            self._lock_file.close()
            raise
        self._writer = Writer(connection)
        self._readers = threading.local()
        self._open_readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Finish the queued writes and let go of the files."""
        for reader in self._open_readers:
            reader.close()
        # Last: whoever closes last empties the log and takes it away, and readers may not.
        self._writer.close()
        self._lock_file.close()

    def submit(
        self, function: Callable[[sqlite3.Connection], Result], weight_bytes: int = 0
    ) -> Future[Result]:
        """Queue a write; the future has its result after the commit. See `Writer.submit`."""
        return self._writer.submit(function, weight_bytes)

    def state(self) -> StoreState:
        """Return how the store is."""
        fault = self._writer.fault
        full = isinstance(fault, StoreFullError)
        size_bytes: int | None = None
        free_bytes: int | None = None
        with contextlib.suppress(OSError):
            size_bytes = self.path.stat().st_size
            free_bytes = shutil.disk_usage(self._directory).free
        return StoreState(
            engine="sqlite",
            state="ok" if fault is None else "full" if full else "failing",
            reason=None if fault is None else fault.text,
            queued_writes=self._writer.queued,
            size_bytes=size_bytes,
            free_bytes=free_bytes,
        )

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one SELECT on this thread's own connection under the time limit."""
        connection = self._reader()
        deadline_s = time.monotonic() + READ_LIMIT_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS_A_CHECK)
        try:
            with reporting_damage(self.path):
                return connection.execute(sql, values).fetchall()
        except ResourceError as error:
            code = getattr(error.__cause__, "sqlite_errorcode", None)
            if code != sqlite3.SQLITE_INTERRUPT:
                raise
            raise StoreTimeoutError(
                f"Reading took longer than {READ_LIMIT_S:.0f} s; ask for a shorter range of time.",
                f"读取超过 {READ_LIMIT_S:.0f} 秒；请缩小查询的时间范围。",
            ) from error

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,  # closed by `close`, in another thread
            )
            self._readers.connection = connection
            self._open_readers.append(connection)
        return connection


def _take_reserve(directory: pathlib.Path) -> None:
    """Hold the space if there is plenty."""
    path = directory / RESERVE_NAME
    with contextlib.suppress(OSError):
        if path.exists():
            tighten(path)
            return
        if shutil.disk_usage(directory).free < _PLENTY * RESERVE_BYTES:
            return
        number = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(number, 0, RESERVE_BYTES)
        finally:
            os.close(number)


def _give_up_reserve(directory: pathlib.Path) -> bool:
    """Let go of the space; whether there was any."""
    try:
        (directory / RESERVE_NAME).unlink()
    except OSError:
        return False
    return True
