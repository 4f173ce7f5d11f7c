"""Windows kept in memory until the process ends: for runs whose data nobody wants afterwards.

Nothing is merged beforehand: every series is made from the chunks when it is asked for. That makes
it slow over long ranges and plainly right, so the conformance suite holds the other engines to it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from controller.store.blocks import Block, block_of
from controller.store.interface import (
    MAX_DURATION_NS,
    AgentTotals,
    StoreBusyError,
    StoredChunk,
    StoreFullError,
    StoreState,
    other_boot,
)
from controller.store.interface import StreamRecord as Stream
from controller.store.levels import HOUR, KEPT, LEVELS, Level, LevelName, Retention
from controller.store.points import points_of
from controller.store.series import (
    Series,
    held_level,
    level_for,
    series_of_points,
    series_of_windows,
)
from messages.chunk import decode_chunk
from messages.sections.windows import WINDOWS

MAX_BYTES = 1 << 30


class MemoryWindows:
    """A `WindowStore` without a file; full at `max_bytes` of chunks."""

    def __init__(self, *, retention: Retention = KEPT, max_bytes: int = MAX_BYTES) -> None:
        self._retention, self._max_bytes = retention, max_bytes
        self._chunks: dict[tuple[str, str, int], StoredChunk] = {}  # in the order of storing
        self._totals: dict[str, AgentTotals] = {}
        self._bytes = 0
        self._merged_ns = 0
        self._closed = False
        self._full: StoreFullError | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def put_chunk(self, chunk: StoredChunk, *, alone: bool = False) -> Future[bool]:
        """Store a chunk once; see `WindowStore.put_chunk`."""
        answer: Future[bool] = Future()
        with self._lock:
            if self._closed:
                raise StoreBusyError("The store is closed.", "存储已关闭。")
            key = (chunk.agent, chunk.boot, chunk.sequence)
            if key in self._chunks:
                answer.set_result(False)
            elif alone and not chunk.is_empty and self._has_beside(chunk):
                answer.set_exception(other_boot(chunk.agent))
            elif self._bytes + len(chunk.payload) > self._max_bytes:
                self._full = _full(self._max_bytes)
                answer.set_exception(self._full)
            else:
                self._full = None
                self._chunks[key] = chunk
                self._bytes += len(chunk.payload)
                self._count(chunk)
                answer.set_result(True)
        return answer

    def _has_beside(self, chunk: StoredChunk) -> bool:
        """Whether windows of a chunk's agent and time, of another boot, are there."""
        return any(
            not one.is_empty and one.boot != chunk.boot and one.end_ns > chunk.start_ns
            for one in self._range(chunk.agent, chunk.start_ns - MAX_DURATION_NS, chunk.end_ns)
        )

    def _count(self, chunk: StoredChunk) -> None:
        held = self._totals.get(chunk.agent) or AgentTotals(
            results={}, chunks=0, last_window_ns=None, last_received_ns=None
        )
        last_ns = held.last_window_ns
        if chunk.windows:
            last_ns = max(last_ns or 0, chunk.end_ns)
        self._totals[chunk.agent] = AgentTotals(
            results=dict(Counter(held.results) + Counter(chunk.counts)),
            chunks=held.chunks + 1,
            last_window_ns=last_ns,
            last_received_ns=max(held.last_received_ns or 0, chunk.received_ns),
        )

    def agent_totals(self) -> dict[str, AgentTotals]:
        """Return what is held of each agent."""
        return dict(self._totals)

    def chunks_of(
        self, agent: str, from_ns: int, to_ns: int, limit: int, *, kind: str = WINDOWS.name
    ) -> tuple[list[StoredChunk], int | None]:
        """Return chunks of one agent in a range of time; see `WindowStore.chunks_of`."""
        found = [one for one in self._range(agent, from_ns, to_ns) if one.counts.get(kind)]
        if len(found) <= limit:
            return found, None
        end_ns = max(found[limit].start_ns, from_ns + 1)
        if end_ns == found[0].start_ns:  # more than `limit` of one instant stay together
            end_ns += 1
        return [chunk for chunk in found if chunk.start_ns < end_ns], end_ns

    def chunks_since(self, from_ns: int) -> Iterator[StoredChunk]:
        """Yield every chunk with start_ns ≥ from_ns; see `WindowStore.chunks_since`."""
        found = [chunk for chunk in list(self._chunks.values()) if chunk.start_ns >= from_ns]
        return iter(sorted(found, key=lambda chunk: chunk.start_ns))

    def hours_of(self, agent: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, Block]]:
        """Yield an agent's hours that are over; see `WindowStore.hours_of`."""
        step_ns = HOUR.step_ns
        for start_ns in range(-(-from_ns // step_ns) * step_ns, to_ns, step_ns):
            chunks = self._range(agent, start_ns, start_ns + step_ns)
            if chunks and start_ns + step_ns <= self._merged_ns:
                yield start_ns, block_of([decode_chunk(chunk.payload).batch for chunk in chunks])

    def _range(self, agent: str, from_ns: int, to_ns: int) -> list[StoredChunk]:
        found = [
            chunk
            for chunk in list(self._chunks.values())
            if chunk.agent == agent and from_ns <= chunk.start_ns < to_ns
        ]
        return sorted(found, key=lambda chunk: chunk.start_ns)

    def series(
        self,
        streams: Sequence[Stream],
        from_ns: int,
        to_ns: int,
        *,
        step_ns: int | None = None,
        max_points: int | None = None,
    ) -> Series:
        """Return figures of streams; see `WindowStore.series`."""
        agents = sorted({stream.agent for stream in streams})
        starts = [chunk.start_ns for chunk in list(self._chunks.values()) if chunk.agent in agents]
        oldest: dict[LevelName, int] = {}
        if starts:
            first_ns = min(starts)
            oldest = {"window": first_ns}
            oldest |= {each.name: first_ns // each.step_ns * each.step_ns for each in LEVELS}
            if step_ns is None:
                from_ns = max(from_ns, min(min(oldest.values()), to_ns))
        level = held_level(level_for(from_ns, to_ns, step_ns, max_points), oldest, from_ns)
        if level is None:
            chunks = [chunk for agent in agents for chunk in self._range(agent, from_ns, to_ns)]
            batches = [decode_chunk(chunk.payload).batch for chunk in chunks]
            return series_of_windows(batches, [stream.stream_id for stream in streams])
        return self._of_level(level, streams, from_ns, to_ns)

    def _of_level(
        self, level: Level, streams: Sequence[Stream], from_ns: int, to_ns: int
    ) -> Series:
        aggregates = []
        for agent in sorted({stream.agent for stream in streams}):
            ids = np.array([stream.stream_id for stream in streams], np.uint64)
            starts: dict[int, list[StoredChunk]] = {}
            for chunk in self._range(agent, from_ns, to_ns + level.step_ns):
                start_ns = chunk.start_ns // level.step_ns * level.step_ns
                if from_ns <= start_ns < to_ns and start_ns + level.step_ns <= self._merged_ns:
                    starts.setdefault(start_ns, []).append(chunk)
            for start_ns, chunks in starts.items():
                block = block_of([decode_chunk(chunk.payload).batch for chunk in chunks])
                taken = np.flatnonzero(np.isin(block.stream_id, ids))
                points = points_of(block.aggregate)[taken]
                when = np.array([start_ns])
                aggregates += [
                    (int(block.stream_id[row]), when, points[i : i + 1])
                    for i, row in enumerate(taken.tolist())
                ]
        return series_of_points(level, aggregates)

    def roll_up(self, now_ns: int, limit: int) -> int:
        """Let series show the intervals that are over at `now_ns`; there is nothing to merge."""
        self._merged_ns = max(self._merged_ns, now_ns if limit else 0)
        return 0

    def pending_rollups(self) -> int:
        """Return how many intervals wait: none ever does."""
        return 0

    def oldest_ns(self) -> int | None:
        """Return where the oldest window begins; see `WindowStore.oldest_ns`."""
        return min((chunk.start_ns for chunk in list(self._chunks.values())), default=None)

    def expire(self, now_ns: int) -> int:
        """Forget the chunks that are kept too long at `now_ns`, all at once."""
        oldest_ns = self._retention.oldest_ns("window", now_ns)
        with self._lock:
            old = [key for key, chunk in self._chunks.items() if chunk.start_ns < oldest_ns]
            for key in old:
                self._bytes -= len(self._chunks.pop(key).payload)
        return 0

    def state(self) -> StoreState:
        """Return how the store is."""
        full = self._full
        return StoreState(
            engine="memory",
            state="ok" if full is None else "full",
            reason=None if full is None else full.text,
            queued_writes=0,
            size_bytes=self._bytes,
            free_bytes=max(0, self._max_bytes - self._bytes),
        )


def _full(max_bytes: int) -> StoreFullError:
    return StoreFullError(
        f"The windows in memory have reached {max_bytes >> 20} MiB; end the run, or keep it in a "
        "data directory.",
        f"内存中的测量窗口已达 {max_bytes >> 20} MiB；请结束本次运行，或改用数据目录保存。",
    )
