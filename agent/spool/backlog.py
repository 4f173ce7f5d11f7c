"""What waits to be delivered: in the spool's file where the disk takes it, else in memory.

While the disk is full, or fails, chunks are kept in memory within a bound, are still delivered from
there, and go to the disk as soon as it takes them. A damaged file is set aside for a new one. All
of this happens on the spool's thread (`agent.spool.spooler`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from agent.spool.counts import Count, total
from agent.spool.database import Connect, open_spool
from agent.spool.file import Limits, SpooledChunk
from agent.spool.salvage import open_or_replace, replaced
from agent.spool.sent_counters import SentCounters
from foundation.clock import Clock
from foundation.errors import ResourceError
from foundation.sqlite_faults import is_damage
from messages.chunk import encode_chunk, is_whole
from messages.exchange import DropReason
from messages.sections.kind import Span

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
_KEPT_ACKNOWLEDGED = 100_000


class Backlog:
    """The chunks of one spool. `fault` is the disk's complaint, if it has one; `set_aside` where a
    damaged file went.

    ResourceError from the constructor: the spool cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        *,
        agent: str,
        sent_counters: SentCounters,
        clock: Clock,
        memory_bytes: int,
        connect: Connect = open_spool,
    ) -> None:
        self._path, self._agent, self._connect = path, agent, connect
        self._sent_counters, self._clock, self._memory_bytes = sent_counters, clock, memory_bytes
        self._memory: dict[int, SpooledChunk] = {}
        self._lost: dict[DropReason, Count] = {}  # given up, and not yet counted in the file
        self._acknowledged: set[int] = set()  # on disk still, because deleting failed
        self.fault: str | None = None
        self._file, self.set_aside = open_or_replace(path, limits, sent_counters, clock, connect)
        self._began_ns = clock.monotonic_ns() - self._file.ran_ns
        self._asked = self._questions()
        self.next_sequence = max(self._file.next_sequence, *(s + 1 for s in self._asked), 1)

    @property
    def accounted(self) -> Count:
        """What the file was ever given."""
        return self._file.accounted

    @property
    def known(self) -> Count:
        """All that was ever taken in here, be it waiting, delivered or given up."""
        return total([self._file.accounted, *self._lost.values(), self._held()])

    @property
    def waiting(self) -> Count:
        """What is still to be delivered."""
        return self._file.waiting.plus(self._held())

    @property
    def dropped(self) -> Mapping[DropReason, Count]:
        """What was given up, by reason."""
        known = self._file.dropped.items()
        return {reason: count.plus(self._lost.get(reason, Count())) for reason, count in known}

    @property
    def chunks(self) -> int:
        """How many chunks there are, with those that were put aside."""
        return self._file.chunks + len(self._memory) - len(self._acknowledged)

    @property
    def bytes(self) -> int:
        """What the chunks amount to."""
        return self._file.bytes + sum(len(chunk.payload) for chunk in self._memory.values())

    @property
    def in_memory(self) -> int:
        """How many chunks the disk has not taken yet."""
        return len(self._memory)

    def limit(self, limits: Limits) -> None:
        """Let other bounds hold from the next chunk on."""
        self._file.limits = limits

    def keep(self, chunk: SpooledChunk) -> None:
        """Take in the chunk of `next_sequence`; `save` brings it to the disk."""
        self._memory[chunk.sequence] = chunk
        self.next_sequence = chunk.sequence + 1

    def lose(self, reason: DropReason, count: Count) -> None:
        """Count what is given up and was in no file."""
        self._lost[reason] = self._lost.get(reason, Count()).plus(count)

    def save(self) -> None:
        """Bring to the disk what it has not taken yet."""
        self._attempt(self._to_disk)

    def pending(
        self, oldest: int, newest: int = 0, skip: frozenset[int] = frozenset()
    ) -> list[SpooledChunk]:
        """Return chunks to deliver: the newest first, so that live data is never starved."""
        return self._attempt(lambda: self._pending(oldest, newest, skip), [])

    def find(self, sequence: int) -> SpooledChunk | None:
        """Return a chunk that is to be delivered, or to be asked about; None: there is none."""
        chunk = self._asked.get(sequence) or self._memory.get(sequence)
        if chunk is None and sequence not in self._acknowledged:
            return self._attempt(lambda: self._file.find(sequence), None)
        return chunk

    def is_whole(self, chunk: SpooledChunk) -> bool:
        """Whether a chunk is what was written; one that is damaged is put out of the way."""
        if is_whole(chunk.payload):
            return True
        _LOG.error("chunk %d of the spool is damaged and will not be sent", chunk.sequence)
        self._attempt(lambda: self._file.refuse(chunk.sequence, "damaged on the disk", "damaged"))
        return False

    def answered(self, sequence: int) -> Count | None:
        """Return what was asked about, and ask no more; None where nothing was."""
        asked = self._asked.pop(sequence, None)
        return None if asked is None else asked.count

    def taken_from_memory(self, sequences: Iterable[int]) -> dict[int, Count]:
        """Give up the chunks that only memory has; return what each of them held."""
        mine = [sequence for sequence in sequences if sequence in self._memory]
        return {sequence: self._memory.pop(sequence).count for sequence in mine}

    def forget(self, sequences: Iterable[int]) -> None:
        """Delete delivered chunks from the disk, later if it fails now."""
        self._acknowledged.update(sequences)
        if len(self._acknowledged) > _KEPT_ACKNOWLEDGED:
            # They would only be delivered again, and delivery is idempotent.
            self._acknowledged.clear()
        self._attempt(self._forget_acknowledged)

    def refuse(self, sequence: int, reason: str, counted: DropReason) -> None:
        """Put a chunk aside that the controller will not have."""
        asked, in_memory = self.answered(sequence), self.taken_from_memory([sequence])
        if asked is not None:
            self.lose("unknown", asked)
        elif in_memory:
            self.lose(counted, in_memory[sequence])
        else:
            self._attempt(lambda: self._file.refuse(sequence, reason, counted))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _held(self) -> Count:
        return total(one.count for one in (*self._memory.values(), *self._asked.values()))

    def _pending(self, oldest: int, newest: int, skip: frozenset[int]) -> list[SpooledChunk]:
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

    def _questions(self) -> dict[int, SpooledChunk]:
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
            for offer in self._sent_counters.deliveries.in_doubt().values()
            if offer.sequence not in self._memory and not self._file.holds(offer.sequence)
        }

    def _to_disk(self) -> None:
        if self._acknowledged:
            self._forget_acknowledged()
        if self._memory or self._lost:
            spare = self._sent_counters.deliveries.in_doubt().keys()
            ran_ns = self._clock.monotonic_ns() - self._began_ns
            self._file.put(list(self._memory.values()), ran_ns, self._lost, spare)
            self._memory.clear()
            self._lost.clear()
            self._sent_counters.sync()

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
            self.fault = str(error)
            self._bound_memory()
            return cast(Result, otherwise)
        self.fault = None
        return result

    def _replace_file(self) -> None:
        self._file, self.set_aside = replaced(
            *(self._path, self._file.limits, self._sent_counters, self._clock),
            known=self._file,
            in_memory=self._memory,
            connect=self._connect,
        )
        self._began_ns = self._clock.monotonic_ns() - self._file.ran_ns
        self._acknowledged.clear()
        self._asked |= self._questions()

    def _bound_memory(self) -> None:
        """Give up the oldest chunks that memory has no room for, none of them in doubt."""
        excess = sum(len(c.payload) for c in self._memory.values()) - self._memory_bytes
        doubted = self._sent_counters.deliveries.in_doubt()
        for sequence in [each for each in self._memory if each not in doubted]:
            if excess <= 0:
                break
            oldest = self._memory.pop(sequence)
            self.lose("disk", oldest.count)
            excess -= len(oldest.payload)
