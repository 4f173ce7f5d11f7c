"""What is stored, as far as it can be read: what is damaged is left out and named in the log.

`isochrone controller check` finds all of it; nothing is ever shown in its place.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from controller.store.records import StoredChunk
from controller.store.rollup_blocks import Block, decode_block
from foundation.errors import RemoteProtocolError
from messages.chunk import decode_chunk
from messages.sections.kind import Content, SectionKind
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch

Contents = TypeVar("Contents")

logger = logging.getLogger("isochrone.controller")


def sound(name: str, read: Callable[[], Contents]) -> Contents | None:
    """Return what `read` gives, or None where that is damaged: the log names it."""
    try:
        return read()
    except RemoteProtocolError as error:
        logger.error(
            "%s is damaged in the database and left out: %s See: isochrone controller check",
            name,
            error,
        )
        return None


def windows_in(payload: bytes, name: str) -> WindowBatch | None:
    """Return the windows of a stored chunk, or None where it is damaged."""
    return sound(name, lambda: decode_chunk(payload, only=(WINDOWS.name,)).batch)


def block_in(payload: bytes, start_ns: int, agent: str) -> Block | None:
    """Return a stored block, or None where it is damaged."""
    name = f"the rollup of {agent} from {start_ns} on"
    return sound(name, lambda: decode_block(payload, start_ns))


def sound_contents(
    chunks: Iterable[StoredChunk], kind: SectionKind[Content]
) -> Iterator[tuple[StoredChunk, Content]]:
    """Yield the chunks that can be read and hold results of a kind, with these."""
    for chunk in chunks:
        name = f"the chunk {chunk.sequence} of {chunk.agent} (boot {chunk.boot})"
        found = sound(name, functools.partial(decode_chunk, chunk.payload, only=(kind.name,)))
        content = None if found is None else found.get(kind)
        if content is not None:
            yield chunk, content


def readable_chunks(chunks: Iterable[StoredChunk]) -> Iterator[tuple[StoredChunk, WindowBatch]]:
    """Yield the chunks of windows that can be read, with their windows."""
    return sound_contents(chunks, WINDOWS)
