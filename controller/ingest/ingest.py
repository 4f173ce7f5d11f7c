"""From the body of a POST to a committed chunk, or to a reason why not.

A refusal is for ever (`messages.exchange.REFUSED_FOR_EVER`: no chunk, not of who delivered it,
or another agent of the name measured that time) or for now, with Retry-After: 429 and 503 since
there is too much to do, 409 for what a clock set right, a program upgraded or a plan made again may
change. Every refusal is counted by its reason; nothing is ever stored in part. Chunks are decoded
in their own threads, so that slow readers of the API cannot keep them waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.domain_errors import (
    ConflictError,
    ForeignError,
    MalformedError,
    RefusedError,
    TooLargeError,
    UnknownError,
)
from controller.fleet.agents import Fleet
from controller.ingest.intakes import check_sections, not_now
from controller.ingest.uploads import Uploads
from controller.settings import DEFAULT_WINDOW_MS
from controller.store.interface import OtherBootError, Store
from controller.store.levels import KEPT, Retention
from controller.store.records import StoredChunk, StreamRecord
from foundation.clock import Clock
from foundation.errors import RemoteProtocolError, ResourceError
from foundation.json_document import decode_json
from foundation.number_types import LARGEST
from foundation.text import Text, counted
from messages.chunk import Chunk, UnknownSectionError, decode_chunk
from messages.columns import OtherVersionError
from messages.exchange import MAX_CHUNK_BYTES, MEASURED_TWICE, Acknowledgement
from messages.sections.kind import Span
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch

MAX_AHEAD_NS = 300_000_000_000  # of a window that is taken in, by the controller's clock
DECODERS = 2
_PLANS_AT_ONCE = 10  # each may hold many thousand streams


class Ingest:
    """Takes chunks of the fleet's agents into the store.

    `on_stored(windows)` is called on the event loop once for every chunk of them that is new;
    `had_duplicate` tells whether one of an agent's boots lived while another of its name did.
    """

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        clock: Clock,
        streams: Iterable[StreamRecord],
        on_stored: Callable[[WindowBatch], None],
        retention: Retention = KEPT,
        had_duplicate: Callable[[str, Iterable[str]], bool] = lambda *_: False,
        window_ns: int = DEFAULT_WINDOW_MS * 1_000_000,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._on_stored = on_stored
        self._owned = _ids_by_agent(streams)
        self._retention = retention
        self._had_duplicate = had_duplicate
        self._window_ns = window_ns  # what all plans ask for since this controller began
        self._asked_before: dict[str, frozenset[int]] = {}  # window_ns by agent
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="ingest")
        self.refused: Counter[str] = Counter()
        self.uploads = Uploads(self.refused)
        self.results: Counter[str] = Counter()  # stored, by kind
        self.chunks = self.duplicates = self.bytes = 0

    def own(self, streams: Iterable[StreamRecord]) -> None:
        """Take windows of these streams too, from now on."""
        for agent, ids in _ids_by_agent(streams).items():
            known = self._owned.get(agent)
            self._owned[agent] = ids if known is None else np.union1d(known, ids)

    def foreign(self, agent: str, stream_ids: Sequence[int] | NDArray[np.uint64]) -> list[int]:
        """Return those of some streams that were never planned for an agent."""
        asked = np.array(stream_ids, np.uint64)
        owned = self._owned.get(agent, np.zeros(0, np.uint64))
        found: list[int] = asked[~np.isin(asked, owned)].tolist()
        return found

    async def asked_for_windows_of(self, agent: str, duration_ns: int) -> bool:
        """Whether a plan ever asked an agent for windows of that length."""
        if duration_ns == self._window_ns:
            return True
        if agent not in self._asked_before:
            self._asked_before[agent] = await asyncio.to_thread(windows_asked, self._store, agent)
        return duration_ns in self._asked_before[agent]

    def use(self, on_stored: Callable[[WindowBatch], None]) -> None:
        """Give what is stored from now on to `on_stored`."""
        self._on_stored = on_stored

    def close(self) -> None:
        """Let go of the threads; nothing may be accepted afterwards."""
        self._decoders.shutdown()

    async def accept(self, name: str, body: bytes, boot: str = "") -> Acknowledgement:
        """Store what agent `name` delivered; returns after the commit. Raises RefusedError.

        `boot` is the life that delivers, where it is known; the chunk may be of an earlier one.
        """
        try:
            return await self._accept(name, body, boot)
        except RefusedError as error:
            self.refused[error.code] += 1
            raise
        except ResourceError:
            self.refused["store"] += 1
            raise

    async def _accept(self, name: str, body: bytes, boot: str) -> Acknowledgement:
        self._check_sender(name, len(body))
        chunk = await self._decode(body)
        self._check_content(name, chunk)
        await check_sections(name, dict(chunk.sections), self)
        stored = StoredChunk(
            agent=name,
            boot=chunk.boot,
            sequence=chunk.sequence,
            plan_version=chunk.plan_version,
            start_ns=chunk.span.start_ns,
            duration_ns=chunk.span.duration_ns,
            counts=chunk.counts,
            received_ns=self._clock.wall_ns(),
            payload=body,
        )
        alone = self._had_duplicate(name, (chunk.boot, boot))
        # Shielded: an agent that hangs up must not make us forget a chunk that gets committed.
        try:
            new = await asyncio.shield(self._commit(stored, chunk.get(WINDOWS), alone=alone))
        except OtherBootError as error:
            raise ConflictError(MEASURED_TWICE, error.text, **error.fields) from error
        had = not new and await self._had_results(stored)
        return Acknowledgement(sequence=chunk.sequence, duplicate=had)

    async def _had_results(self, stored: StoredChunk) -> bool:
        """Whether results are stored under the name of a chunk that is not new.

        One without results asks just that; the like of it, stored when it asked first, is no
        answer.
        """
        if not stored.is_empty:
            return True
        key = (stored.agent, stored.boot, stored.sequence)
        return bool(await asyncio.to_thread(self._store.windows.counts_of, *key))

    async def _commit(
        self, stored: StoredChunk, windows: WindowBatch | None, *, alone: bool
    ) -> bool:
        new = await asyncio.wrap_future(self._store.windows.put_chunk(stored, alone=alone))
        self._fleet.heard(stored.agent)
        if new:
            self.chunks += 1
            self.results.update(stored.counts)
            self.bytes += len(stored.payload)
            self._fleet.stored(stored.agent, stored.counts, stored.end_ns)
            if windows is not None:
                self._on_stored(windows)
        else:
            self.duplicates += 1
        return new

    async def _decode(self, body: bytes) -> Chunk:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._decoders, decode_chunk, body)
        except UnknownSectionError as error:
            raise not_now("unknown_section", error.text, **error.fields) from error
        except OtherVersionError as error:
            raise not_now("other_version", error.text) from error
        except RemoteProtocolError as error:
            raise MalformedError("malformed_chunk", error.text, **error.fields) from error

    def _check_sender(self, name: str, body_bytes: int) -> None:
        if name not in self._fleet:
            raise unknown_agent(name)
        if body_bytes > MAX_CHUNK_BYTES:
            raise TooLargeError(
                "oversized",
                Text(
                    f"The chunk is larger than {MAX_CHUNK_BYTES} bytes.",
                    f"数据块超过 {MAX_CHUNK_BYTES} 字节。",
                ),
                bytes=body_bytes,
            )

    def _check_content(self, name: str, chunk: Chunk) -> None:
        if chunk.agent != name:
            raise ForeignError(
                "foreign_chunk",
                Text(
                    f"The chunk is from agent {chunk.agent}, but {name} delivered it.",
                    f"该数据块属于探针 {chunk.agent}，却由 {name} 提交。",
                ),
                agent=chunk.agent,
            )
        self._check_time(chunk.span)

    def _check_time(self, span: Span) -> None:
        now_ns = self._clock.wall_ns()
        ahead_ns = span.end_ns - now_ns
        if ahead_ns > MAX_AHEAD_NS:
            raise not_now(
                "future_dated",
                Text(
                    f"The results end {ahead_ns / 1e9:.0f} s ahead of the controller's clock; "
                    "check both clocks.",
                    f"测量结果的结束时间比控制器的时钟超前 {ahead_ns / 1e9:.0f} 秒；"
                    "请检查双方的时钟。",
                ),
                ahead_ns=ahead_ns,
            )
        if span.start_ns < self._retention.oldest_ns("window", now_ns):
            days = self._retention.window_days
            raise not_now(
                "expired",
                Text(
                    f"The results are older than the {counted(days, 'day')} for which windows "
                    "are kept, by the controller's clock.",
                    f"按控制器的时钟，测量结果早于保留期（{days} 天）。",
                ),
                start_ns=span.start_ns,
            )


def unknown_agent(name: str) -> RefusedError:
    """Return the refusal of an agent that the site file does not know."""
    return UnknownError(
        "unknown_agent",
        Text(
            f"No site named {name} has an agent in this controller's site file.",
            f"控制器的站点文件中没有名为 {name} 的探针站点。",
        ),
        agent=name,
    )


def _ids_by_agent(streams: Iterable[StreamRecord]) -> dict[str, NDArray[np.uint64]]:
    ids: dict[str, list[int]] = {}
    for stream in streams:
        ids.setdefault(stream.agent, []).append(stream.stream_id)
    return {agent: np.array(sorted(found), np.uint64) for agent, found in ids.items()}


class _PlanHead(msgspec.Struct, frozen=True):
    window_ms: int  # the rest of a plan is not read: that takes long


def windows_asked(store: Store, agent: str) -> frozenset[int]:
    """Return the lengths of windows, in ns, that stored plans ever asked of an agent. Blocks."""
    asked, before = set(), LARGEST
    while page := store.plans.history(agent, before, _PLANS_AT_ONCE):
        before = page[-1].version
        for record in page:
            with contextlib.suppress(msgspec.MsgspecError):
                asked.add(decode_json(record.content, _PlanHead).window_ms * 1_000_000)
    return frozenset(asked)
