"""A store that lives until the process ends: the plainest engine, to which the others are held.

Nothing is merged beforehand: every series is made from the chunks when it is requested. That makes
it slow over long ranges and plainly right, so the conformance suite holds the other engines to it.
"""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

import numpy as np

from controller.store.engines import Checked, Examined
from controller.store.event_log import EventKind, EventRecord, MaintenanceRecord, SubjectState
from controller.store.interface import Store, StoreBusyError, StoreFullError, StoreState, other_boot
from controller.store.levels import (
    HOUR,
    KEPT,
    LEVELS,
    Level,
    LevelName,
    Retention,
    held_level,
    level_for,
)
from controller.store.points import points_of
from controller.store.records import (
    MAX_DURATION_NS,
    AgentTotals,
    BaselineRecord,
    CampaignRecord,
    DuplicateRecord,
    PlanRecord,
    SilenceRecord,
    StoredChunk,
    StreamRecord,
)
from controller.store.rollup_blocks import Block, block_of
from controller.store.series import Series, series_of_points, series_of_windows
from foundation.text import Text
from messages.chunk import decode_chunk
from messages.sections.windows import WINDOWS

MAX_BYTES = 1 << 30
Kept = TypeVar("Kept")


def _done(value: Kept) -> Future[Kept]:
    answer: Future[Kept] = Future()
    answer.set_result(value)
    return answer


class MemoryWindows:
    """Windows, series and rollups without a file; full at `max_bytes` of chunks."""

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

    def counts_of(self, agent: str, boot: str, sequence: int) -> Mapping[str, int] | None:
        """Return what the chunk of that name holds; see `WindowStore.counts_of`."""
        with self._lock:
            held = self._chunks.get((agent, boot, sequence))
            return None if held is None else held.counts

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
        """Yield an agent's hours that are over; see `SeriesStore.hours_of`."""
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

    def read(
        self,
        streams: Sequence[StreamRecord],
        from_ns: int,
        to_ns: int,
        *,
        step_ns: int | None = None,
        max_points: int | None = None,
    ) -> Series:
        """Return figures of streams; see `SeriesStore.read`."""
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
        self, level: Level, streams: Sequence[StreamRecord], from_ns: int, to_ns: int
    ) -> Series:
        parts = []
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
                parts += [
                    (int(block.stream_id[row]), when, points[i : i + 1])
                    for i, row in enumerate(taken.tolist())
                ]
        return series_of_points(level, parts)

    def roll_up(self, now_ns: int, limit: int) -> int:
        """Let series show the intervals that are over at `now_ns`; there is nothing to merge."""
        self._merged_ns = max(self._merged_ns, now_ns if limit else 0)
        return 0

    def pending(self) -> int:
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


class MemoryPlans:
    """The versions of agents' plans."""

    def __init__(self) -> None:
        self._plans: dict[str, list[PlanRecord]] = {}

    def put(self, plans: Sequence[PlanRecord], created_ns: int) -> Future[None]:
        for plan in plans:
            versions = self._plans.setdefault(plan.agent, [])
            versions.append(replace(plan, created_ns=created_ns))
            del versions[:-1_000]
        return _done(None)

    def latest(self) -> dict[str, PlanRecord]:
        return {name: versions[-1] for name, versions in self._plans.items()}

    def history(self, agent: str, before: int, limit: int) -> list[PlanRecord]:
        found = [plan for plan in self._plans.get(agent, []) if plan.version < before]
        return found[::-1][:limit]


class MemoryStreams:
    """The streams that were ever planned."""

    def __init__(self) -> None:
        self._streams: dict[int, StreamRecord] = {}

    def put(self, streams: Sequence[StreamRecord]) -> Future[None]:
        for stream in streams:
            self._streams.setdefault(stream.stream_id, stream)
        return _done(None)

    def all(self) -> list[StreamRecord]:
        return list(self._streams.values())


class MemorySites:
    """The copy of the site file's sites."""

    def __init__(self) -> None:
        self.sites: dict[str, bytes] = {}

    def put(self, sites: Sequence[tuple[str, bytes]], now_ns: int) -> Future[None]:
        self.sites = dict(sites)
        return _done(None)


class MemoryBaselines:
    """The sealed baselines."""

    def __init__(self) -> None:
        self._baselines: dict[str, BaselineRecord] = {}

    def put(self, baseline: BaselineRecord) -> Future[bool]:
        return _done(self._baselines.setdefault(baseline.name, baseline) is baseline)

    def all(self) -> list[BaselineRecord]:
        return sorted(self._baselines.values(), key=lambda one: one.sealed_ns)


class MemoryEventLog:
    """What happened, how everything stood last, and the maintenance."""

    def __init__(self) -> None:
        self._events: list[EventRecord] = []
        self._states: dict[tuple[str, str, str], SubjectState] = {}
        self._maintenance: list[MaintenanceRecord] = []

    def append(
        self, events: Sequence[EventRecord], states: Sequence[SubjectState] = ()
    ) -> Future[int]:
        first = len(self._events) + 1
        self._events += [replace(one, id=first + i) for i, one in enumerate(events)]
        self._states |= {(one.kind, one.subject, one.target): one for one in states}
        return _done(first if events else 0)

    def events(
        self,
        *,
        kinds: Sequence[EventKind] = (),
        subject: str | None = None,
        target: str | None = None,
        state: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 1000,
    ) -> list[EventRecord]:
        found = [
            one
            for one in self._events
            if (not kinds or one.kind in kinds)
            and subject in (None, one.subject)
            and target in (None, one.target)
            and state in (None, one.state)
            and (from_ns is None or one.at_ns >= from_ns)
            and (to_ns is None or one.at_ns < to_ns)
            and (before_id is None or one.id < before_id)
            and (after_id is None or one.id > after_id)
        ]
        return (found if after_id is not None else found[::-1])[:limit]

    def states(self) -> list[SubjectState]:
        return list(self._states.values())

    def put_maintenance(self, record: MaintenanceRecord) -> Future[int]:
        self._maintenance.append(replace(record, id=len(self._maintenance) + 1))
        return _done(len(self._maintenance))

    def end_maintenance(self, number: int, at_ns: int, by: str) -> Future[bool]:
        for place, one in enumerate(self._maintenance):
            if one.id == number and one.end_ns > at_ns:
                self._maintenance[place] = replace(one, ended_ns=at_ns, ended_by=by)
                return _done(True)
        return _done(False)

    def maintenance(self) -> list[MaintenanceRecord]:
        return list(self._maintenance)


class MemoryCampaigns:
    """The campaigns and their reports."""

    def __init__(self) -> None:
        self._campaigns: dict[int, CampaignRecord] = {}
        self._reports: dict[int, bytes] = {}

    def put(self, record: CampaignRecord) -> Future[int]:
        if any(one.name == record.name for one in self._campaigns.values()):
            return _done(0)
        number = len(self._campaigns) + 1
        self._campaigns[number] = replace(record, id=number)
        return _done(number)

    def change(self, record: CampaignRecord) -> Future[None]:
        before = self._campaigns[record.id]
        self._campaigns[record.id] = replace(record, name=before.name, request=before.request)
        return _done(None)

    def put_report(self, number: int, page: bytes) -> Future[None]:
        self._reports[number] = page
        return _done(None)

    def records(self) -> list[CampaignRecord]:
        return list(self._campaigns.values())

    def report(self, number: int) -> bytes | None:
        return self._reports.get(number)


class MemorySilences:
    """The times in which streams were silent by somebody's will."""

    def __init__(self) -> None:
        self._silences: dict[str, SilenceRecord] = {}

    def put(self, records: Sequence[SilenceRecord]) -> Future[None]:
        self._silences |= {one.mark: one for one in records}
        return _done(None)

    def records(self) -> list[SilenceRecord]:
        return sorted(self._silences.values(), key=lambda one: one.from_ns)


class MemoryDuplicates:
    """The lives of agents that had another of their name beside them."""

    def __init__(self) -> None:
        self._duplicates: dict[tuple[str, str], DuplicateRecord] = {}

    def put(self, records: Sequence[DuplicateRecord]) -> Future[None]:
        self._duplicates |= {(one.agent, one.boot): one for one in records}
        return _done(None)

    def records(self) -> list[DuplicateRecord]:
        return sorted(self._duplicates.values(), key=lambda one: one.seen_ns)


def memory_store(*, retention: Retention = KEPT, max_bytes: int = MAX_BYTES) -> Store:
    """Return an empty store."""
    windows = MemoryWindows(retention=retention, max_bytes=max_bytes)
    return Store(
        windows=windows,
        series=windows,
        rollups=windows,
        streams=MemoryStreams(),
        plans=MemoryPlans(),
        sites=MemorySites(),
        baselines=MemoryBaselines(),
        event_log=MemoryEventLog(),
        campaigns=MemoryCampaigns(),
        silences=MemorySilences(),
        duplicates=MemoryDuplicates(),
        state=windows.state,
        reporting_damage=contextlib.nullcontext,
        close=windows.close,
    )


class MemoryEngine:
    """An `Engine` whose stores are known by their place as long as the process lives."""

    def __init__(self) -> None:
        self.stores: dict[pathlib.Path, Store] = {}

    def open_store(self, place: pathlib.Path, *, retention: Retention) -> Store:
        return self.stores.setdefault(place, memory_store(retention=retention))

    def back_up(self, place: pathlib.Path, to: pathlib.Path) -> int:
        return to.write_bytes(b"".join(one.payload for one in self._chunks(place)))

    def check(self, place: pathlib.Path) -> Checked:
        chunks = self._chunks(place)
        windows = sum(decode_chunk(chunk.payload).batch.rows for chunk in chunks)
        return Checked(chunks=len(chunks), windows=windows, rollups=0, tiles=0, damaged=())

    def examine(self, place: pathlib.Path) -> Examined | None:
        if place not in self.stores:
            return None
        return Examined(sound=True, text=Text("It is in memory.", "数据在内存中。"))

    def _chunks(self, place: pathlib.Path) -> list[StoredChunk]:
        return list(self.stores[place].windows.chunks_since(0)) if place in self.stores else []
