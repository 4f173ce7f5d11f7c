"""What the controller is offered, and what became of it: taken, not taken, not yet, never.

From its offer on a chunk is *in doubt* (`agent.spool.delivery_counters`) until one of these says
what became of it. All of this happens on the spool's thread (`agent.spool.spooler`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.spool.backlog import Backlog
from agent.spool.counts import total
from agent.spool.delivery_counters import MOST_OFFERED, DeliveryCounters, Offer
from agent.spool.file import SpooledChunk
from foundation.clock import Clock
from messages.exchange import DropReason


class Offers:
    """Offers the chunks of a backlog, and counts in `deliveries` what the controller took."""

    def __init__(self, backlog: Backlog, deliveries: DeliveryCounters, clock: Clock) -> None:
        self._backlog, self._deliveries, self._clock = backlog, deliveries, clock
        self._fresh: frozenset[int] = frozenset()  # offered for the first time, last
        self._postponed: dict[int, float] = {}  # until when (monotonic seconds)

    def offer(self, oldest: int, newest: int) -> list[SpooledChunk]:
        """Return chunks to deliver now: first those in doubt, then the newest and the oldest."""
        waiting = self._postponed_now()
        known = self._deliveries.in_doubt()
        doubted = [chunk for chunk in self._doubted() if chunk.sequence not in waiting]
        left = min(oldest + newest - len(doubted), MOST_OFFERED - len(known))
        self._fresh = frozenset()
        if left <= 0:
            return doubted[: oldest + newest]
        others = self._backlog.pending(
            max(left - newest, 0), min(newest, left), waiting | known.keys()
        )
        fresh = [chunk for chunk in others if self._backlog.is_whole(chunk)]
        self._deliveries.offer(
            Offer(one.boot, one.sequence, one.start_ns, one.count) for one in fresh
        )
        self._fresh = frozenset(chunk.sequence for chunk in fresh)
        return doubted + fresh

    def acknowledge(
        self, sequences: Sequence[int], duplicates: frozenset[int] = frozenset()
    ) -> None:
        """Forget delivered chunks; `duplicates` of them the controller had already."""
        self._resolve(sequences, duplicates)
        doubted = self._deliveries.in_doubt()
        in_memory = self._backlog.taken_from_memory(sequences)
        # Not in doubt when it was offered, and delivered already: it was counted then, and is there
        # still since the disk did not let it be deleted.
        again = (duplicates & self._fresh) - in_memory.keys()
        taken = total(doubted[each].held for each in sequences if each in doubted.keys() - again)
        self._deliveries.settle(sequences, delivered=taken, beside=total(in_memory.values()))
        self._backlog.forget(each for each in sequences if each not in in_memory)

    def withdraw(self, sequences: Sequence[int]) -> None:
        """The controller has not taken these: those it never was offered before it surely lacks."""
        self._deliveries.settle([each for each in sequences if each in self._fresh])

    def refuse(self, sequence: int, reason: str, counted: DropReason = "refused") -> None:
        """Put a chunk aside that the controller will not have."""
        self._backlog.refuse(sequence, reason, counted)
        self._deliveries.settle([sequence])

    def postpone(self, seconds: Mapping[int, float]) -> None:
        """Offer these chunks again only after so many seconds each."""
        now_s = self._clock.monotonic_ns() / 1e9
        self._postponed |= {sequence: now_s + wait_s for sequence, wait_s in seconds.items()}

    def hurry(self) -> None:
        """Offer what was postponed at once, a last time before the end."""
        self._postponed.clear()

    def count_postponed(self) -> int:
        """Return how many chunks wait that the controller would not have yet."""
        for sequence in [each for each in self._postponed if self._backlog.find(each) is None]:
            del self._postponed[sequence]
        return len(self._postponed)

    def _postponed_now(self) -> frozenset[int]:
        now_s = self._clock.monotonic_ns() / 1e9
        return frozenset(sequence for sequence, at_s in self._postponed.items() if at_s > now_s)

    def _doubted(self) -> list[SpooledChunk]:
        """Return the chunks in doubt, to be offered again; none that is out of the way."""
        found = []
        for sequence in self._deliveries.in_doubt():
            chunk = self._backlog.find(sequence)
            if chunk is not None and self._backlog.is_whole(chunk):
                found.append(chunk)
            elif not self._backlog.fault:
                self._deliveries.settle([sequence])
        return found

    def _resolve(self, sequences: Sequence[int], duplicates: frozenset[int]) -> None:
        """Count what was asked about: the controller has it, or nobody has."""
        for sequence in sequences:
            count = self._backlog.answered(sequence)
            if count is None:
                continue
            if sequence in duplicates:
                self._deliveries.settle([sequence], delivered=count, beside=count)
            else:
                self._deliveries.settle([sequence])
                self._backlog.lose("cut_off", count)
