"""The one thread that writes to the SQLite database.

Functions wait on a queue; what is queued together is committed together (one BEGIN IMMEDIATE, one
fsync), and each caller's Future completes only after that commit.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from controller.store.interface import DamagedStoreError, StoreBusyError, StoreFullError
from foundation.errors import ResourceError
from foundation.reasons import reason_of
from foundation.sqlite_faults import fault_of

Result = TypeVar("Result")

MAX_QUEUED_JOBS = 1024
MAX_QUEUED_BYTES = 64 << 20
MAX_JOBS_A_COMMIT = 256


@dataclass(slots=True)
class _Job:
    function: Callable[[sqlite3.Connection], Any]
    weight_bytes: int
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Runs functions on one connection in one thread, each inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._jobs = 0
        self._bytes = 0
        self._closed = False
        self._fault: ResourceError | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> ResourceError | None:
        """Why the last commit failed; None once a later one succeeded."""
        return self._fault

    @property
    def queued(self) -> int:
        """How many writes have been requested and are not yet committed."""
        return self._jobs

    def submit(
        self, function: Callable[[sqlite3.Connection], Result], weight_bytes: int = 0
    ) -> Future[Result]:
        """Queue `function`; the future has its result after the commit.

        Raises StoreBusyError when too many writes or bytes are waiting, or after `close`.
        """
        job = _Job(function, weight_bytes)
        with self._lock:
            full = self._jobs >= MAX_QUEUED_JOBS or self._bytes + weight_bytes > MAX_QUEUED_BYTES
            if self._closed or (full and self._jobs):
                raise StoreBusyError(
                    "The store is busy with earlier writes; try again in a few seconds.",
                    "存储正在处理先前的写入，请几秒后重试。",
                    queued_writes=self._jobs,
                )
            self._jobs += 1
            self._bytes += weight_bytes
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Commit what is queued, then end the thread and close the connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        running = True
        while running:
            jobs: list[_Job] = []
            item = self._queue.get()
            while item is not None:
                jobs.append(item)
                if len(jobs) >= MAX_JOBS_A_COMMIT or self._queue.empty():
                    break
                item = self._queue.get()
            running = item is not None
            if jobs:
                self._commit(jobs)

    def _commit(self, jobs: list[_Job]) -> None:
        """Commit all jobs together; if that fails, each alone, so that one spoils no other."""
        try:
            results = self._transaction(jobs)
        except Exception as error:  # noqa: BLE001 -- whatever it is belongs to the job's owner
            if len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            answer = _translated(error)
            self._fault = answer if isinstance(answer, ResourceError) else self._fault
            self._forget(jobs)
            jobs[0].future.set_exception(answer)
            return
        self._fault = None
        self._forget(jobs)
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)

    def _transaction(self, jobs: list[_Job]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [job.function(self._connection) for job in jobs]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have rolled back by itself
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _forget(self, jobs: list[_Job]) -> None:
        with self._lock:
            self._jobs -= len(jobs)
            self._bytes -= sum(job.weight_bytes for job in jobs)


def _translated(error: Exception) -> Exception:
    """Return a full disk or a failing one as errors of ours; anything else as it is."""
    fault = fault_of(error) if isinstance(error, sqlite3.Error) else "other"
    if not isinstance(error, sqlite3.OperationalError) and fault != "damaged":
        return error
    if fault == "damaged":
        return DamagedStoreError(
            f"The database is damaged ({error}). See what can still be read with: isochrone "
            "controller check; then restore the newest backup.",
            f"数据库已损坏（{reason_of(error).zh}）。请用 isochrone controller check "
            "查看可读取的部分，"
            "然后恢复最新备份。",
        )
    if fault == "full":
        return StoreFullError(
            "The disk of the controller's data directory is full; free some space, and storing "
            "continues by itself.",
            "控制器数据目录所在磁盘已满；释放空间后会自动继续存储。",
        )
    return ResourceError(
        f"The store cannot be written ({error}); check the disk of the data directory.",
        f"存储无法写入（{reason_of(error).zh}）；请检查数据目录所在磁盘。",
    )
