"""The kinds of results that are exported, and how the rows of each come out of the store.

Tables of bounded size, one agent after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.export.rows import COLUMNS, Column, Rows, Streams
from controller.live.archive import Archive
from controller.store.levels import LEVELS, LevelName
from controller.store.readable import readable_chunks, sound_contents
from controller.store.records import StoredChunk, StreamRecord
from controller.store.series import Series, series_of_windows
from messages.sections.kind import Content, SectionKind
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch

Table = dict[str, NDArray[Any]]
ROWS_A_TABLE = 20_000
CHUNKS_A_READ = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to export: streams, from_ns ≤ start_ns < to_ns, and the level."""

    streams: tuple[StreamRecord, ...]
    from_ns: int
    to_ns: int
    level: LevelName


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One kind of result. `tables` yields columns by name, in their order, ordered by agent and
    then by time; with `levels` also merged ones."""

    columns: tuple[Column, ...]
    tables: Callable[[Archive, Streams, Selection], Iterator[Table]]
    levels: bool = False


def of_sections(
    kind: SectionKind[Content],
    columns: tuple[Column, ...],
    rows: Callable[[StoredChunk, Content, Streams], Table],
) -> Exported:
    """Return how sections of a kind are exported: `rows` makes the columns of one chunk's results,
    those of the streams that are asked for (`Streams.records`) alone."""

    def made(archive: Archive, streams: Streams, wanted: Selection) -> Iterator[Table]:
        for agent in sorted({record.agent for record in wanted.streams}):
            at_ns: int | None = wanted.from_ns
            while at_ns is not None and at_ns < wanted.to_ns:
                chunks, at_ns = archive.chunks_of(
                    agent, at_ns, wanted.to_ns, CHUNKS_A_READ, kind=kind.name
                )
                for chunk, content in sound_contents(chunks, kind):
                    yield rows(chunk, content, streams)

    return Exported(columns=columns, tables=made)


def tables(archive: Archive, streams: Streams, wanted: Selection) -> Iterator[Table]:
    """Yield tables of at most about ROWS_A_TABLE rows, ordered by agent and then by time. Blocks.

    A table of no rows is left out. Rows of rollups say the level that the store still held.
    """
    by_agent: dict[str, list[StreamRecord]] = {}
    for record in wanted.streams:
        by_agent.setdefault(record.agent, []).append(record)
    for agent in sorted(by_agent):
        mine = by_agent[agent]
        found = (
            _windows(archive, agent, mine, wanted)
            if wanted.level == "window"
            else _rollups(archive, mine, wanted)
        )
        for rows in found:
            for at in range(0, len(rows.points), ROWS_A_TABLE):
                yield _slice(rows, at).columns(streams)


def _windows(
    archive: Archive, agent: str, records: Sequence[StreamRecord], wanted: Selection
) -> Iterator[Rows]:
    ids = [record.stream_id for record in records]
    at_ns: int | None = wanted.from_ns
    while at_ns is not None and at_ns < wanted.to_ns:
        chunks, at_ns = archive.chunks_of(agent, at_ns, wanted.to_ns, CHUNKS_A_READ)
        found = list(readable_chunks(chunks))
        decoded = [batch for _, batch in found]
        rows = _in_time(series_of_windows(decoded, ids))
        versions = _plan_versions([chunk for chunk, _ in found], decoded, ids)
        yield replace(rows, plan_version=versions)


def _plan_versions(
    chunks: Sequence[StoredChunk], batches: Sequence[WindowBatch], ids: Sequence[int]
) -> NDArray[np.int64]:
    """Return the plan's version of each row, in the order of `_in_time`."""
    taken = [batch.stream_id[np.isin(batch.stream_id, ids)] for batch in batches]
    sizes = [len(part) for part in taken]
    stream_id = np.concatenate(taken) if taken else np.zeros(0, np.uint64)
    start_ns = np.repeat(np.array([c.start_ns for c in chunks], np.int64), sizes)
    version = np.repeat(np.array([c.plan_version for c in chunks], np.int64), sizes)
    return version[np.lexsort((stream_id, start_ns))]  # stable, as the other is


def _rollups(
    archive: Archive, records: Sequence[StreamRecord], wanted: Selection
) -> Iterator[Rows]:
    step_ns = next(level.step_ns for level in LEVELS if level.name == wanted.level)
    span_ns = step_ns * max(1, ROWS_A_TABLE // max(1, len(records)))
    for from_ns in range(wanted.from_ns, wanted.to_ns, span_ns):
        to_ns = min(from_ns + span_ns, wanted.to_ns)
        yield _in_time(archive.series(records, from_ns, to_ns, step_ns=step_ns))


def _in_time(found: Series) -> Rows:
    order = np.lexsort((found.stream_id, found.start_ns))
    return Rows(
        level=found.level,
        stream_id=found.stream_id[order].astype(np.int64),
        start_ns=found.start_ns[order],
        duration_ns=found.duration_ns[order],
        points=found.points[order],
    )


def _slice(rows: Rows, at: int) -> Rows:
    part = slice(at, at + ROWS_A_TABLE)
    return Rows(
        level=rows.level,
        stream_id=rows.stream_id[part],
        start_ns=rows.start_ns[part],
        duration_ns=rows.duration_ns[part],
        points=rows.points[part],
        plan_version=None if rows.plan_version is None else rows.plan_version[part],
    )


def joined_tables(found: Iterable[Table], rows: int = ROWS_A_TABLE) -> Iterator[Table]:
    """Join small tables to ones of about `rows`: fewer pieces, and row groups worth their name."""
    waiting: list[Table] = []
    count = 0
    for table in found:
        waiting.append(table)
        count += len(next(iter(table.values())))
        if count >= rows:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(waiting: list[Table]) -> Table:
    return {name: np.concatenate([table[name] for table in waiting]) for name in waiting[0]}


EXPORTED: dict[str, Exported] = {
    WINDOWS.name: Exported(columns=COLUMNS, tables=tables, levels=True),
}
