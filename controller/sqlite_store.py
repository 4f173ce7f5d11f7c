"""The store that comes with the controller: one SQLite database in the data directory.

WAL with synchronous=FULL: what was acknowledged survives a power cut as well as kill -9. Only one
controller may own a data directory, which a lock file sees to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Literal

import sqlite_utils

from controller.schema import migrate
from controller.store import (
    AgentTotals,
    BaselineRecord,
    PlanRecord,
    StoredChunk,
    StoreFullError,
    StoreState,
    StoreTimeoutError,
    StreamRecord,
    VerdictChange,
    VerdictState,
)
from controller.writer import Writer
from probes.errors import ResourceError

FILE_NAME = "isochrone.db"
READ_LIMIT_S = 10.0
MAX_CHANGES = 1_000_000  # verdict changes that are kept: some 100 MB
Conflict = Literal["fail", "ignore", "replace"]  # with a row that is there already
_STEPS_A_CHECK = 20_000  # virtual machine steps between two looks at the clock
_COLUMNS = "agent, boot, sequence, plan_version, start_ns, duration_ns, rows, received_ns, payload"
_INSERT = f"INSERT OR IGNORE INTO chunks ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608 -- constants alone
_COUNT = """
INSERT INTO agents (name, windows, chunks, last_window_ns, last_received_ns) VALUES (?,?,1,?,?)
ON CONFLICT (name) DO UPDATE SET
  windows = windows + excluded.windows,
  chunks = chunks + 1,
  last_window_ns = max(coalesce(last_window_ns, 0), excluded.last_window_ns),
  last_received_ns = max(coalesce(last_received_ns, 0), excluded.last_received_ns)
"""


class SqliteStore:
    """A `Store` in one file. Opening it may raise ConfigError or ResourceError."""

    def __init__(self, directory: pathlib.Path, *, max_pages: int | None = None) -> None:
        self._path = directory / FILE_NAME
        self._directory = directory
        self._lock_file = _own_directory(directory)
        try:
            migrate(self._path)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA busy_timeout = 5000")
            if max_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        except BaseException:
            self._lock_file.close()
            raise
        self._writer = Writer(connection)
        self._readers = threading.local()
        self._open_readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        """Finish the queued writes and let go of the files."""
        self._writer.close()
        for reader in self._open_readers:
            reader.close()
        self._lock_file.close()

    # Writes

    def put_chunk(self, chunk: StoredChunk) -> Future[bool]:
        """Store a chunk once; see `Store.put_chunk`."""

        def write(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(_INSERT, _row_of(chunk))
            if cursor.rowcount == 0:
                return False
            end_ns = chunk.start_ns + chunk.duration_ns
            connection.execute(_COUNT, (chunk.agent, chunk.rows, end_ns, chunk.received_ns))
            return True

        return self._writer.submit(write, len(chunk.payload))

    def put_plans(self, plans: Sequence[PlanRecord], created_ns: int) -> Future[None]:
        """Add versions of agents' plans to their history."""
        rows = [
            {
                "agent": plan.agent,
                "version": plan.version,
                "content": plan.content,
                "created_ns": created_ns,
            }
            for plan in plans
        ]
        return self._insert("plans", rows)

    def put_streams(self, streams: Sequence[StreamRecord]) -> Future[None]:
        """Remember streams; those already known are left as they are."""
        rows = [
            {
                "stream_id": stream.stream_id,
                "agent": stream.agent,
                "path": stream.path,
                "protocol": stream.protocol,
                "type_p": stream.type_p,
            }
            for stream in streams
        ]
        return self._insert("streams", rows, "ignore")

    def put_sites(self, sites: Sequence[tuple[str, bytes]], now_ns: int) -> Future[None]:
        """Replace the copy of the sites that is kept for inspection."""
        rows = [
            {"name": name, "document": document.decode(), "loaded_ns": now_ns}
            for name, document in sites
        ]

        def write(connection: sqlite3.Connection) -> None:
            table = sqlite_utils.Database(connection).table("sites")
            table.delete_where()
            table.insert_all(rows)

        return self._writer.submit(write)

    def put_verdict_states(self, states: Sequence[VerdictState]) -> Future[None]:
        """Remember the verdicts that changed."""
        rows = [
            {
                "target": state.target,
                "path": state.path,
                "verdict": state.verdict,
                "since_ns": state.since_ns,
            }
            for state in states
        ]
        return self._insert("verdicts", rows, "replace")

    def put_verdict_changes(self, changes: Sequence[VerdictChange]) -> Future[None]:
        """Add to the log of changed verdicts, and forget the oldest beyond MAX_CHANGES."""
        rows = [
            (c.at_ns, c.target, c.path, c.verdict, c.previous, c.previous_since_ns) for c in changes
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO changes (at_ns, target, path, verdict, previous, previous_since_ns) "
                "VALUES (?,?,?,?,?,?)",
                rows,
            )
            newest = "SELECT max(id) FROM changes"
            connection.execute(f"DELETE FROM changes WHERE id <= ({newest}) - ?", (MAX_CHANGES,))  # noqa: S608 -- constants alone

        return self._writer.submit(write)

    def put_baseline(self, baseline: BaselineRecord) -> Future[bool]:
        """Keep a sealed baseline; see `Store.put_baseline`."""
        b = baseline
        row = (b.name, b.from_ns, b.to_ns, b.sealed_ns, b.digest, b.content)

        def write(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute("INSERT OR IGNORE INTO baselines VALUES (?,?,?,?,?,?)", row)
            return cursor.rowcount == 1

        return self._writer.submit(write, len(baseline.content))

    def put_audit(self, at_ns: int, actor: str, action: str, detail: str) -> Future[None]:
        """Add a line to the audit log."""
        row = {"at_ns": at_ns, "actor": actor, "action": action, "detail": detail}
        return self._insert("audit", [row])

    def _insert(
        self, table: str, rows: list[dict[str, Any]], conflict: Conflict = "fail"
    ) -> Future[None]:
        def write(connection: sqlite3.Connection) -> None:
            sqlite_utils.Database(connection).table(table).insert_all(
                rows, ignore=conflict == "ignore", replace=conflict == "replace"
            )

        return self._writer.submit(write)

    # Reads

    def latest_plans(self) -> dict[str, PlanRecord]:
        """Return the newest plan of every agent."""
        # SQLite gives the other columns of the row that holds the maximum.
        rows = self._read("SELECT agent, max(version), content FROM plans GROUP BY agent", ())
        return {row[0]: PlanRecord(agent=row[0], version=row[1], content=row[2]) for row in rows}

    def streams(self) -> list[StreamRecord]:
        """Return every stream ever planned."""
        rows = self._read("SELECT stream_id, agent, path, protocol, type_p FROM streams", ())
        return [
            StreamRecord(
                stream_id=row[0], agent=row[1], path=row[2], protocol=row[3], type_p=row[4]
            )
            for row in rows
        ]

    def verdict_states(self) -> list[VerdictState]:
        """Return the latest verdict of every demand ever judged."""
        rows = self._read("SELECT target, path, verdict, since_ns FROM verdicts", ())
        return [
            VerdictState(target=row[0], path=row[1], verdict=row[2], since_ns=row[3])
            for row in rows
        ]

    def verdict_changes(
        self,
        *,
        target: str | None = None,
        path: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_id: int | None = None,
        limit: int = 1000,
    ) -> list[VerdictChange]:
        """Return the log of changes, newest first."""
        asked = {
            "target = ?": target,
            "path = ?": path,
            "at_ns >= ?": from_ns,
            "at_ns < ?": to_ns,
            "id < ?": before_id,
        }
        used = {clause: value for clause, value in asked.items() if value is not None}
        where = " AND ".join(used) or "1"
        rows = self._read(
            "SELECT id, at_ns, target, path, verdict, previous, previous_since_ns FROM changes "  # noqa: S608 -- clauses are constants
            f"WHERE {where} ORDER BY id DESC LIMIT ?",
            (*used.values(), limit),
        )
        return [
            VerdictChange(
                id=row[0],
                at_ns=row[1],
                target=row[2],
                path=row[3],
                verdict=row[4],
                previous=row[5],
                previous_since_ns=row[6],
            )
            for row in rows
        ]

    def baselines(self) -> list[BaselineRecord]:
        """Return every sealed baseline, oldest first."""
        rows = self._read(
            "SELECT name, from_ns, to_ns, sealed_ns, digest, content FROM baselines "
            "ORDER BY sealed_ns",
            (),
        )
        return [
            BaselineRecord(
                name=row[0],
                from_ns=row[1],
                to_ns=row[2],
                sealed_ns=row[3],
                digest=row[4],
                content=row[5],
            )
            for row in rows
        ]

    def agent_totals(self) -> dict[str, AgentTotals]:
        """Return what is held of each agent."""
        rows = self._read(
            "SELECT name, windows, chunks, last_window_ns, last_received_ns FROM agents", ()
        )
        return {
            row[0]: AgentTotals(
                windows=row[1], chunks=row[2], last_window_ns=row[3], last_received_ns=row[4]
            )
            for row in rows
        }

    def chunks_of(
        self, agent: str, from_ns: int, to_ns: int, limit: int
    ) -> tuple[list[StoredChunk], int | None]:
        """Return chunks of one agent in a range of time; see `Store.chunks_of`."""
        bounds = self._read(
            "SELECT start_ns FROM chunks WHERE agent = ? AND start_ns >= ? AND start_ns < ? "
            "ORDER BY start_ns LIMIT 1 OFFSET ?",
            (agent, from_ns, to_ns, limit),
        )
        end_ns = to_ns if not bounds else max(bounds[0][0], from_ns + 1)
        rows = self._read(
            f"SELECT {_COLUMNS} FROM chunks WHERE agent = ? AND start_ns >= ? AND start_ns < ? "  # noqa: S608 -- constants alone
            "ORDER BY start_ns, id",
            (agent, from_ns, end_ns),
        )
        return [_chunk_of(row) for row in rows], (end_ns if bounds else None)

    def chunks_since(self, from_ns: int) -> Iterator[StoredChunk]:
        """Yield every chunk with start_ns ≥ from_ns, in the order in which they were stored."""
        last_id = 0
        while True:
            rows = self._read(
                f"SELECT {_COLUMNS}, id FROM chunks WHERE start_ns >= ? AND id > ? "  # noqa: S608 -- constants alone
                "ORDER BY id LIMIT 256",
                (from_ns, last_id),
            )
            if not rows:
                return
            yield from (_chunk_of(row[:-1]) for row in rows)
            last_id = rows[-1][-1]

    def state(self) -> StoreState:
        """Return how the store is."""
        fault = self._writer.fault
        full = isinstance(fault, StoreFullError)
        size_bytes: int | None = None
        free_bytes: int | None = None
        with contextlib.suppress(OSError):
            size_bytes = self._path.stat().st_size
            free_bytes = shutil.disk_usage(self._directory).free
        return StoreState(
            engine="sqlite",
            state="ok" if fault is None else "full" if full else "failing",
            reason=None if fault is None else fault.text,
            queued_writes=self._writer.queued,
            size_bytes=size_bytes,
            free_bytes=free_bytes,
        )

    def _read(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run one SELECT on this thread's own connection under the time limit."""
        connection = self._reader()
        deadline_s = time.monotonic() + READ_LIMIT_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS_A_CHECK)
        try:
            return connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise StoreTimeoutError(
                f"Reading took longer than {READ_LIMIT_S:.0f} s; ask for a shorter range of time.",
                f"读取超过 {READ_LIMIT_S:.0f} 秒；请缩小查询的时间范围。",
            ) from error

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,  # closed by `close`, in another thread
            )
            self._readers.connection = connection
            self._open_readers.append(connection)
        return connection


def _row_of(chunk: StoredChunk) -> tuple[Any, ...]:
    return (
        chunk.agent,
        chunk.boot,
        chunk.sequence,
        chunk.plan_version,
        chunk.start_ns,
        chunk.duration_ns,
        chunk.rows,
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
        rows=row[6],
        received_ns=row[7],
        payload=row[8],
    )


def _own_directory(directory: pathlib.Path) -> Any:
    """Create the directory and lock it for this process; the returned file holds the lock."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock_file = (directory / "lock").open("a")
    except OSError as error:
        raise ResourceError(
            f"The data directory {directory} cannot be written ({error.strerror}); give the "
            "controller's user the right to write there, or use another --data directory.",
            f"无法写入数据目录 {directory}（{os.strerror(error.errno or 0)}）；"
            "请为控制器用户授予写权限，或用 --data 指定其他目录。",
            file=str(directory),
        ) from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock_file.close()
        raise ResourceError(
            f"Another controller is using the data directory {directory}; stop it, or use another "
            "--data directory.",
            f"另一个控制器正在使用数据目录 {directory}；请先停止它，或用 --data 指定其他目录。",
            file=str(directory),
        ) from error
    return lock_file
