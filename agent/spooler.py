"""The thread that owns the spool: windows come in from the engine, chunks go out to the uplink.

The engine's thread only puts a batch on a queue. This thread gathers the windows of one interval,
encodes them and commits them. While the disk is full, or fails, chunks are kept in memory within a
bound, are still delivered from there, and go to the disk as soon as it takes them.
"""

from __future__ import annotations

import logging
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.gather import chunks_of
from agent.sent_book import SentBook
from agent.spool import Count, SpooledChunk, SpoolFile, total
from probes.chunk import encode_chunk
from probes.clock import Clock, SystemClock
from probes.errors import LocalProtocolError
from probes.exchange import Dropped, DropReason, Totals
from probes.window import WindowBatch

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

GATHER_S = 0.5  # batches of one interval that come within this time share a chunk
MEMORY_BYTES = 64 << 20
_KEPT_ACKNOWLEDGED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What health reports tell of the spool; `fault` is the disk's complaint, if it has one."""

    chunks: int
    bytes: int
    in_memory: int
    totals: Totals
    fault: str | None

    @property
    def dropped_windows(self) -> int:
        """Windows given up for any reason."""
        return sum(one.windows for one in self.totals.dropped)


class Spooler:
    """The spool behind its thread. `on_stored` is called there whenever there is more to send.

    ResourceError from the constructor: the spool cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        agent: str,
        max_bytes: int,
        max_age_s: float,
        clock: Clock | None = None,
        memory_bytes: int = MEMORY_BYTES,
        on_stored: Callable[[], None] = lambda: None,
    ) -> None:
        self.book = SentBook(path.with_name(f"{path.stem}.sent"))
        self.boot = secrets.token_hex(8)
        self.on_stored = on_stored
        self._agent = agent
        self._clock = clock or SystemClock()
        self._memory_bytes = memory_bytes
        self._file = SpoolFile(path, max_bytes=max_bytes, max_age_ns=round(max_age_s * 1e9))
        self._next_sequence = self._file.next_sequence
        self._memory: dict[int, SpooledChunk] = {}
        self._lost: dict[DropReason, Count] = {}  # given up, and not yet counted in the file
        self._acknowledged: set[int] = set()  # on disk still, because deleting failed
        self._fault: str | None = None
        self._gathered: dict[tuple[int, int, int], list[WindowBatch]] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.book.begin_at(self._file.accounted.probes, self._file.accounted.windows)
        self.do_settle()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def add(self, batch: WindowBatch, plan_version: int) -> None:
        """Take in windows of a plan; returns at once. Called from the engine's thread."""
        if batch.rows:
            self._queue.put(lambda: self._gather(batch, plan_version))

    def call(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Run one of this object's `do_*` methods on the spool's thread."""
        future: Future[Result] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return  # whoever asked has gone
            try:
                future.set_result(function(*arguments))
            except Exception as error:  # noqa: BLE001 (it is handed to the caller)
                future.set_exception(error)

        self._queue.put(work)
        return future

    def close(self) -> None:
        """Commit what is gathered and stop the thread."""
        self._queue.put(None)
        self._thread.join()
        self.do_settle()
        self._file.close()
        self.book.close()

    def do_settle(self) -> None:
        """Count as cut off what was sent and never came here; only while no engine runs."""
        self.do_flush()
        known = total([self._file.accounted, *self._lost.values()])
        known = known.plus(total(chunk.count for chunk in self._memory.values()))
        missing = Count(self.book.windows, self.book.sent).less(known)
        if max(missing) > 0:
            self._lose("cut_off", Count(max(missing.windows, 0), max(missing.probes, 0)))
            self._attempt(self._to_disk)

    def do_limit(self, max_bytes: int, max_age_s: float) -> None:
        """Let other bounds hold from the next chunk on."""
        self._file.limit(max_bytes=max_bytes, max_age_ns=round(max_age_s * 1e9))

    def do_pending(
        self, oldest: int, newest: int = 0, skip: frozenset[int] = frozenset()
    ) -> list[SpooledChunk]:
        """Return chunks to deliver: the newest first, so that live data is never starved."""
        skip = skip | self._acknowledged
        in_memory = [chunk for sequence, chunk in self._memory.items() if sequence not in skip]
        found = {chunk.sequence: chunk for chunk in in_memory[len(in_memory) - newest :]}
        for wanted, last in ((newest - len(found), True), (oldest, False)):
            if wanted > 0:
                others = self._file.pending(wanted, newest=last, skip=skip | frozenset(found))
                found |= {chunk.sequence: chunk for chunk in others}
        for chunk in in_memory:
            if len(found) >= oldest + newest:
                break
            found.setdefault(chunk.sequence, chunk)
        return list(found.values())

    def do_acknowledge(self, sequences: list[int]) -> None:
        """Forget delivered chunks."""
        on_disk = [each for each in sequences if self._memory.pop(each, None) is None]
        self._acknowledged.update(on_disk)
        if len(self._acknowledged) > _KEPT_ACKNOWLEDGED:
            # They would only be delivered again, and delivery is idempotent.
            self._acknowledged.clear()
        self._attempt(self._forget_acknowledged)

    def do_refuse(self, sequence: int, reason: str) -> None:
        """Put a chunk aside that the controller will not have."""
        chunk = self._memory.pop(sequence, None)
        if chunk is not None:
            self._lose("refused", chunk.count)
            return
        self._attempt(lambda: self._file.refuse(sequence, reason))

    def do_state(self) -> SpoolState:
        """Return the state of the spool, after another try of the disk where it failed."""
        if self._fault or self._memory:
            self._attempt(self._to_disk)
        return SpoolState(
            chunks=self._file.chunks + len(self._memory) - len(self._acknowledged),
            bytes=self._file.bytes + sum(len(c.payload) for c in self._memory.values()),
            in_memory=len(self._memory),
            totals=self._totals(),
            fault=self._fault,
        )

    def _totals(self) -> Totals:
        dropped = {
            reason: count.plus(self._lost.get(reason, Count()))
            for reason, count in self._file.dropped.items()
        }
        waiting = self._file.waiting.plus(total(one.count for one in self._memory.values()))
        return Totals(
            probes_sent=self.book.sent,
            windows_closed=self.book.windows,
            waiting_windows=waiting.windows,
            waiting_probes=waiting.probes,
            dropped=tuple(
                Dropped(reason=reason, windows=count.windows, probes=count.probes)
                for reason, count in dropped.items()
                if any(count)
            ),
            behind=self.book.behind,
        )

    def _lose(self, reason: DropReason, count: Count) -> None:
        self._lost[reason] = self._lost.get(reason, Count()).plus(count)

    def do_flush(self) -> None:
        """Commit what is still being gathered."""
        for (_, _, plan_version), parts in self._gathered.items():
            for batch in chunks_of(parts):
                self._keep(batch, plan_version)
        self._gathered.clear()
        self._attempt(self._to_disk)
        self.on_stored()

    def _run(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=GATHER_S if self._gathered else None)
            except queue.Empty:
                self.do_flush()
                continue
            if work is None:
                self.do_flush()
                return
            work()

    def _gather(self, batch: WindowBatch, plan_version: int) -> None:
        key = (batch.start_ns, batch.duration_ns, plan_version)
        if self._gathered and key not in self._gathered:
            self.do_flush()
        self._gathered.setdefault(key, []).append(batch)

    def _keep(self, batch: WindowBatch, plan_version: int) -> None:
        sequence, probes = self._next_sequence, int(batch.counters["sent"].sum())
        try:
            payload = encode_chunk(
                batch,
                agent=self._agent,
                boot=self.boot,
                sequence=sequence,
                plan_version=plan_version,
            )
        except LocalProtocolError as error:  # a defect; it must not stop the windows that follow
            _LOG.error("%s", error.message())
            self._lose("unencodable", Count(batch.rows, probes))
            return
        self._next_sequence += 1
        self._memory[sequence] = SpooledChunk(
            sequence=sequence,
            start_ns=batch.start_ns,
            windows=batch.rows,
            probes=probes,
            payload=payload,
        )

    def _to_disk(self) -> None:
        if self._acknowledged:
            self._forget_acknowledged()
        if self._memory or self._lost:
            self._file.put(list(self._memory.values()), self._clock.wall_ns(), self._lost)
            self._memory.clear()
            self._lost.clear()
            self.book.sync()

    def _forget_acknowledged(self) -> None:
        self._file.delete(sorted(self._acknowledged))
        self._acknowledged.clear()

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something on disk; where it fails, note it and keep memory within its bound."""
        try:
            try:
                action()
            except sqlite3.OperationalError:
                self._file.relieve()
                action()
        except sqlite3.Error as error:
            self._fault = str(error)
            excess = sum(len(c.payload) for c in self._memory.values()) - self._memory_bytes
            while excess > 0:
                oldest = self._memory.pop(next(iter(self._memory)))
                self._lose("disk", oldest.count)
                excess -= len(oldest.payload)
        else:
            self._fault = None
