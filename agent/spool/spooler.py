"""The thread that owns the spool: results come in, chunks go out to the uplink.

Whoever measures only puts its results on a queue. This thread gathers those of one kind and span,
encodes them and commits them; every chunk has results of one kind, so that a controller that does
not know a kind yet refuses nothing else. While the disk is full, or fails, chunks are kept in
memory within a bound, are still delivered from there, and go to the disk as soon as it takes them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from agent.spool.counts import PROBES, Count, total
from agent.spool.delivery_counters import MOST_OFFERED, Offer
from agent.spool.file import Limits, SpooledChunk
from agent.spool.salvage import open_or_replace, replaced
from agent.spool.sent_counters import SentCounters
from foundation.clock import Clock, SystemClock
from foundation.errors import LocalProtocolError, ResourceError
from foundation.sqlite_faults import is_damage
from messages.chunk import encode_chunk, is_whole
from messages.exchange import Dropped, DropReason, Totals
from messages.sections.kind import Content, SectionKind, Span
from messages.sections.windows import WINDOWS

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
    set_aside: str | None = None  # where a damaged spool went

    @property
    def dropped_windows(self) -> int:
        """Windows given up for any reason."""
        return sum(one.counts.get(WINDOWS.name, 0) for one in self.totals.dropped)


class Spooler:
    """The spool behind its thread. `on_stored` is called there whenever there is more to send,
    `on_boot` with the id under which results are handed in from now on.

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
        on_boot: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.sent_counters = SentCounters(path.with_name(f"{path.stem}.sent"))
        self._on_stored, self._on_boot = on_stored, on_boot
        self.begin_boot()
        self._agent = agent
        self._clock = clock or SystemClock()
        self._memory_bytes = memory_bytes
        self._memory: dict[int, SpooledChunk] = {}
        self._path, limits = path, Limits(max_bytes, round(max_age_s * 1e9))
        self._file, self._set_aside = open_or_replace(path, limits, self.sent_counters, self._clock)
        self._began_ns = self._clock.monotonic_ns() - self._file.ran_ns
        self._asked = self._tombstones()
        self._next_sequence = max(self._file.next_sequence, *(s + 1 for s in self._asked), 1)
        self._lost: dict[DropReason, Count] = {}  # given up, and not yet counted in the file
        self._acknowledged: set[int] = set()  # on disk still, because deleting failed
        self._fresh: frozenset[int] = frozenset()  # offered for the first time, last
        self._postponed: dict[int, float] = {}  # until when (monotonic seconds)
        self._fault: str | None = None
        self._gathered: dict[tuple[SectionKind[Any], Span, int], list[Any]] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        known = self._file.accounted.plus(self.sent_counters.deliveries.beside)
        self.sent_counters.begin_at(known)
        self.do_settle()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def add(self, kind: SectionKind[Content], content: Content, plan_version: int) -> None:
        """Take in results of a plan; returns at once. Called on any thread."""
        if kind.count(content):
            self._queue.put(lambda: self._gather(kind, content, plan_version))

    def begin_boot(self) -> None:
        """Take a new boot id for the windows from now on: another process has the one of before."""
        self.boot = secrets.token_hex(8)
        self._on_boot(self.boot)

    async def ask(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run one of this object's `do_*` methods on the spool's thread and wait for its result."""
        return await asyncio.wrap_future(self.call(function, *arguments))

    async def settle(self) -> None:
        """Count as cut off what was sent and never came here; only while no engine runs."""
        await self.ask(self.do_settle)

    async def flush(self) -> None:
        """Commit what is gathered now."""
        await self.ask(self.do_flush)

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
        self.sent_counters.close()

    def do_settle(self) -> None:
        """Count as cut off what was sent and never came here; only while no engine runs."""
        self.do_flush()
        held = [*self._memory.values(), *self._asked.values()]
        known = total([self._file.accounted, *self._lost.values(), *(one.count for one in held)])
        known = known.plus(self.sent_counters.deliveries.beside)
        missing = self.sent_counters.made.less(known).at_least_none()
        if missing:
            self._lose("cut_off", missing)
            self._attempt(self._to_disk)

    def do_limit(self, max_bytes: int, max_age_s: float) -> None:
        """Let other bounds hold from the next chunk on."""
        self._file.limits = Limits(max_bytes, round(max_age_s * 1e9))

    def do_offer(self, oldest: int, newest: int) -> list[SpooledChunk]:
        """Return chunks to deliver now: first those in doubt, then as `do_pending`.

        From now on they are in doubt, until one of the next three says what became of them.
        """
        waiting = self._postponed_now()
        known = self.sent_counters.deliveries.in_doubt()
        doubted = [chunk for chunk in self._doubted() if chunk.sequence not in waiting]
        left = min(oldest + newest - len(doubted), MOST_OFFERED - len(known))
        skip = waiting | known.keys()
        if left <= 0:
            return doubted[: oldest + newest]
        none: list[SpooledChunk] = []
        others = self._attempt(
            lambda: self.do_pending(max(left - newest, 0), min(newest, left), skip), none
        )
        fresh = [chunk for chunk in others if self._is_whole(chunk)]
        self.sent_counters.deliveries.offer(
            Offer(one.boot, one.sequence, one.start_ns, one.count) for one in fresh
        )
        self._fresh = frozenset(chunk.sequence for chunk in fresh)
        return doubted + fresh

    def do_withdraw(self, sequences: list[int]) -> None:
        """The controller has not taken these: those it never was offered before it surely lacks."""
        self.sent_counters.deliveries.settle([each for each in sequences if each in self._fresh])

    def do_postpone(self, seconds: dict[int, float]) -> None:
        """Offer these chunks again only after so many seconds each."""
        now_s = self._clock.monotonic_ns() / 1e9
        self._postponed |= {sequence: now_s + wait_s for sequence, wait_s in seconds.items()}

    def do_hurry(self) -> None:
        """Offer what was postponed at once, a last time before the end."""
        self._postponed.clear()

    def do_count_postponed(self) -> int:
        """Return how many chunks wait that the controller would not have yet."""
        gone = [
            sequence
            for sequence in self._postponed
            if sequence not in self._memory
            and sequence not in self._asked
            and self._attempt(functools.partial(self._file.find, sequence), None) is None
        ]
        for sequence in gone:
            del self._postponed[sequence]
        return len(self._postponed)

    def _postponed_now(self) -> frozenset[int]:
        now_s = self._clock.monotonic_ns() / 1e9
        return frozenset(sequence for sequence, at_s in self._postponed.items() if at_s > now_s)

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

    def do_acknowledge(
        self, sequences: list[int], duplicates: frozenset[int] = frozenset()
    ) -> None:
        """Forget delivered chunks; `duplicates` of them the controller had already."""
        self._resolve([each for each in sequences if each in self._asked], duplicates)
        doubted = self.sent_counters.deliveries.in_doubt()
        in_memory = [self._memory.pop(each) for each in sequences if each in self._memory]
        beside = total(chunk.count for chunk in in_memory)
        here = {chunk.sequence for chunk in in_memory}
        # Not in doubt when it was offered, and delivered already: it was counted then, and is there
        # still since the disk did not let it be deleted.
        again = (duplicates & self._fresh) - here
        taken = total(doubted[each].held for each in sequences if each in doubted.keys() - again)
        self.sent_counters.deliveries.settle(sequences, delivered=taken, beside=beside)
        self._acknowledged.update(each for each in sequences if each not in here)
        if len(self._acknowledged) > _KEPT_ACKNOWLEDGED:
            # They would only be delivered again, and delivery is idempotent.
            self._acknowledged.clear()
        self._attempt(self._forget_acknowledged)

    def do_refuse(self, sequence: int, reason: str, counted: DropReason = "refused") -> None:
        """Put a chunk aside that the controller will not have."""
        asked, chunk = self._asked.pop(sequence, None), self._memory.pop(sequence, None)
        if asked is not None:
            self._lose("unknown", asked.count)
        elif chunk is not None:
            self._lose(counted, chunk.count)
        else:
            self._attempt(lambda: self._file.refuse(sequence, reason, counted))
        self.sent_counters.deliveries.settle([sequence])

    def _doubted(self) -> list[SpooledChunk]:
        """Return the chunks in doubt, to be offered again; none that is out of the way."""
        found = []
        for sequence in self.sent_counters.deliveries.in_doubt():
            chunk = self._asked.get(sequence) or self._memory.get(sequence)
            if chunk is None and sequence not in self._acknowledged:
                chunk = self._attempt(functools.partial(self._file.find, sequence), None)
            if chunk is not None and self._is_whole(chunk):
                found.append(chunk)
            elif not self._fault:
                self.sent_counters.deliveries.settle([sequence])
        return found

    def _is_whole(self, chunk: SpooledChunk) -> bool:
        """Whether a chunk is what was written; one that is damaged is put out of the way."""
        if is_whole(chunk.payload):
            return True
        _LOG.error("chunk %d of the spool is damaged and will not be sent", chunk.sequence)
        self._attempt(lambda: self._file.refuse(chunk.sequence, "damaged on the disk", "damaged"))
        return False

    def _tombstones(self) -> dict[int, SpooledChunk]:
        """Return for each chunk that was offered from a memory now gone one without results.

        It has the name of the other: the controller takes it if it never had the other, whose
        windows are lost then, and calls it a duplicate if it had.
        """
        return {
            offer.sequence: SpooledChunk(
                sequence=offer.sequence,
                boot=offer.boot,
                start_ns=offer.start_ns,
                count=offer.held,
                payload=encode_chunk(
                    {},
                    Span(offer.start_ns, 1),
                    agent=self._agent,
                    boot=offer.boot,
                    sequence=offer.sequence,
                    plan_version=0,
                ),
            )
            for offer in self.sent_counters.deliveries.in_doubt().values()
            if offer.sequence not in self._memory and not self._file.holds(offer.sequence)
        }

    def _resolve(self, asked: list[int], duplicates: frozenset[int]) -> None:
        """Count what was asked about: the controller has it, or nobody has."""
        for sequence in asked:
            count = self._asked.pop(sequence).count
            if sequence in duplicates:
                self.sent_counters.deliveries.settle([sequence], delivered=count, beside=count)
            else:
                self.sent_counters.deliveries.settle([sequence])
                self._lose("cut_off", count)

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
            set_aside=self._set_aside,
        )

    def _totals(self) -> Totals:
        dropped = {
            reason: count.plus(self._lost.get(reason, Count()))
            for reason, count in self._file.dropped.items()
        }
        held = [*self._memory.values(), *self._asked.values()]
        waiting = self._file.waiting.plus(total(one.count for one in held))
        return Totals(
            made=dict(self.sent_counters.made.of),
            waiting=dict(waiting.of),
            dropped=tuple(
                Dropped(reason=reason, counts=dict(count.of))
                for reason, count in dropped.items()
                if count
            ),
            behind=self.sent_counters.behind,
        )

    def _lose(self, reason: DropReason, count: Count) -> None:
        self._lost[reason] = self._lost.get(reason, Count()).plus(count)

    def do_flush(self) -> None:
        """Commit what is still being gathered."""
        for (kind, span, plan_version), parts in self._gathered.items():
            for content in kind.gather(parts):
                self._keep(kind, span, content, plan_version)
        self._gathered.clear()
        self._attempt(self._to_disk)
        self._on_stored()

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

    def _gather(self, kind: SectionKind[Content], content: Content, plan_version: int) -> None:
        key = (kind, kind.span(content), plan_version)
        if any(of is kind for of, *_ in self._gathered) and key not in self._gathered:
            self.do_flush()
        self._gathered.setdefault(key, []).append(content)

    def _keep(
        self, kind: SectionKind[Content], span: Span, content: Content, plan_version: int
    ) -> None:
        sequence = self._next_sequence
        count = Count({PROBES: kind.probes(content), kind.name: kind.count(content)})
        try:
            payload = encode_chunk(
                {kind.name: content},
                span,
                agent=self._agent,
                boot=self.boot,
                sequence=sequence,
                plan_version=plan_version,
            )
        except LocalProtocolError as error:  # a defect; it must not stop the results that follow
            _LOG.error("%s", error.message())
            self._lose("unencodable", count)
            return
        self._next_sequence += 1
        self._memory[sequence] = SpooledChunk(
            sequence=sequence,
            boot=self.boot,
            start_ns=span.start_ns,
            count=count,
            payload=payload,
        )

    def _to_disk(self) -> None:
        if self._acknowledged:
            self._forget_acknowledged()
        if self._memory or self._lost:
            spare = self.sent_counters.deliveries.in_doubt().keys()
            ran_ns = self._clock.monotonic_ns() - self._began_ns
            self._file.put(list(self._memory.values()), ran_ns, self._lost, spare)
            self._memory.clear()
            self._lost.clear()
            self.sent_counters.sync()

    def _forget_acknowledged(self) -> None:
        self._file.delete(sorted(self._acknowledged))
        self._acknowledged.clear()

    def _attempt(self, action: Callable[[], Result], otherwise: Result | None = None) -> Result:
        """Do something on disk and return its result; where it fails, note it and keep memory
        within its bound. A damaged file is set aside for a new one."""
        try:
            try:
                result = action()
            except sqlite3.Error as error:
                if is_damage(error):
                    self._replace_file()
                else:
                    self._file.relieve()
                result = action()
        except (sqlite3.Error, OSError, ResourceError) as error:
            self._fault = str(error)
            self._bound_memory()
            return cast(Result, otherwise)
        self._fault = None
        return result

    def _replace_file(self) -> None:
        self._file, self._set_aside = replaced(
            self._path, self._file.limits, self.sent_counters, self._clock, self._file, self._memory
        )
        self._began_ns = self._clock.monotonic_ns() - self._file.ran_ns
        self._acknowledged.clear()
        self._asked |= self._tombstones()

    def _bound_memory(self) -> None:
        """Give up the oldest chunks that memory has no room for, none of them in doubt."""
        excess = sum(len(c.payload) for c in self._memory.values()) - self._memory_bytes
        doubted = self.sent_counters.deliveries.in_doubt()
        for sequence in [each for each in self._memory if each not in doubted]:
            if excess <= 0:
                break
            oldest = self._memory.pop(sequence)
            self._lose("disk", oldest.count)
            excess -= len(oldest.payload)
