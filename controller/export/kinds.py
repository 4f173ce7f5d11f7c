"""The kinds of results that are exported: which columns their rows have, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from controller.export.rows import COLUMNS, Column, Streams
from controller.export.tables import CHUNKS_A_READ, Selection, tables
from controller.live.archive import Archive
from controller.store.readable import sound_contents
from controller.store.records import StoredChunk
from messages.sections.kind import Content, SectionKind
from messages.sections.windows import WINDOWS

Table = dict[str, NDArray[Any]]


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


EXPORTED: dict[str, Exported] = {
    WINDOWS.name: Exported(columns=COLUMNS, tables=tables, levels=True),
}
