"""The thread that owns the spool: results come in, chunks go out to the uplink.

Whoever measures only puts its results on a queue. This thread gathers those of one kind and span,
encodes them and commits them; every chunk has results of one kind, so that a controller that does
not know a kind yet refuses nothing else. What waits is in `agent.spool.backlog`; what the
controller is offered, in `agent.spool.offers`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.spool.backlog import Backlog
from agent.spool.counts import PROBES, Count
from agent.spool.database import Connect, open_spool
from agent.spool.file import Limits, SpooledChunk
from agent.spool.offers import Offers
from agent.spool.sent_counters import SentCounters
from foundation.clock import Clock, SystemClock
from foundation.errors import LocalProtocolError
from messages.chunk import encode_chunk
from messages.exchange import Dropped, Totals
from messages.sections.kind import Content, SectionKind, Span
from messages.sections.windows import WINDOWS

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

GATHER_S = 0.5  # batches of one interval that come within this time share a chunk
MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolState:
    """What health reports report about the spool; `fault` is the disk's complaint, if it
    has one.
    """

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
    """The spool behind its thread, on which `call` and `ask` run what they are given: the methods
    of `offers` and `backlog`, and those of this object that begin with `do_`.

    `on_stored` is called there whenever there is more to send, `on_boot` with the id under which
    results are handed in from now on; `connect` opens the spool's file. ResourceError from the
    constructor: it cannot be opened.
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
        connect: Connect = open_spool,
    ) -> None:
        self.sent_counters = SentCounters(path.with_name(f"{path.stem}.sent"))
        self._on_stored, self._on_boot = on_stored, on_boot
        self.begin_boot()
        self._agent, clock = agent, clock or SystemClock()
        self.backlog = Backlog(
            path,
            _limits(max_bytes, max_age_s),
            agent=agent,
            sent_counters=self.sent_counters,
            clock=clock,
            memory_bytes=memory_bytes,
            connect=connect,
        )
        self.offers = Offers(self.backlog, self.sent_counters.deliveries, clock)
        self._gathered: dict[tuple[SectionKind[Any], Span, int], list[Any]] = {}
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        known = self.backlog.accounted.plus(self.sent_counters.deliveries.beside)
        self.sent_counters.begin_at(known)
        self.do_settle()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def add(self, kind: SectionKind[Content], content: Content, plan_version: int) -> None:
        """Take in results of a plan; returns at once. Called on any thread."""
        if kind.count(content):
            self._queue.put(lambda: self._gather(kind, content, plan_version))

    def begin_boot(self) -> None:
        """Take a new boot id for the windows from now on: another process has the previous one."""
        self.boot = secrets.token_hex(8)
        self._on_boot(self.boot)

    async def ask(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function on the spool's thread and wait for its result."""
        return await asyncio.wrap_future(self.call(function, *arguments))

    async def settle(self) -> None:
        """Count as cut off what was sent and never came here; only while no engine runs."""
        await self.ask(self.do_settle)

    async def flush(self) -> None:
        """Commit what is gathered now."""
        await self.ask(self.do_flush)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Run a function on the spool's thread."""
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
        self.backlog.close()
        self.sent_counters.close()

    def do_settle(self) -> None:
        """Count as cut off what was sent and never came here; only while no engine runs."""
        self.do_flush()
        known = self.backlog.known.plus(self.sent_counters.deliveries.beside)
        missing = self.sent_counters.made.less(known).at_least_none()
        if missing:
            self.backlog.lose("cut_off", missing)
            self.backlog.save()

    def do_limit(self, max_bytes: int, max_age_s: float) -> None:
        """Let other bounds hold from the next chunk on."""
        self.backlog.limit(_limits(max_bytes, max_age_s))

    def do_state(self) -> SpoolState:
        """Return the state of the spool, after another try of the disk where it failed."""
        backlog = self.backlog
        if backlog.fault or backlog.in_memory:
            backlog.save()
        dropped = tuple(
            Dropped(reason=reason, counts=dict(count.of))
            for reason, count in backlog.dropped.items()
            if count
        )
        return SpoolState(
            chunks=backlog.chunks,
            bytes=backlog.bytes,
            in_memory=backlog.in_memory,
            totals=Totals(
                made=dict(self.sent_counters.made.of),
                waiting=dict(backlog.waiting.of),
                dropped=dropped,
                behind=self.sent_counters.behind,
            ),
            fault=backlog.fault,
            set_aside=backlog.set_aside,
        )

    def do_flush(self) -> None:
        """Commit what is still being gathered."""
        for (kind, span, plan_version), parts in self._gathered.items():
            for content in kind.gather(parts):
                self._keep(kind, span, content, plan_version)
        self._gathered.clear()
        self.backlog.save()
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
        sequence = self.backlog.next_sequence
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
            self.backlog.lose("unencodable", count)
            return
        chunk = SpooledChunk(
            sequence=sequence, boot=self.boot, start_ns=span.start_ns, count=count, payload=payload
        )
        self.backlog.keep(chunk)


def _limits(max_bytes: int, max_age_s: float) -> Limits:
    return Limits(max_bytes, round(max_age_s * 1e9))
