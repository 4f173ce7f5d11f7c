"""Which lives of an agent had another of the same name beside them (docs/decisions/agents.md).

Two agents of one name measure the same twice, and one of them may deliver what it measured long
after the other has ended. Of a life that had such a duplicate nothing is stored of a time of which
the other's windows are stored already; nobody else's windows are looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from controller.store.interface import DuplicateStore
from controller.store.records import DUPLICATES_KEPT, DuplicateRecord
from foundation.clock import Clock
from foundation.errors import IsochroneError

logger = logging.getLogger("isochrone.controller")


class DuplicateAgents:
    """All that are known. On the event loop alone."""

    def __init__(self, store: DuplicateStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._of: dict[str, dict[str, DuplicateRecord]] = {}  # by agent and boot, as they were seen
        for record in store.records():
            self._keep(record)

    def is_duplicate(self, agent: str, boots: Iterable[str]) -> bool:
        """Whether one of these boots lived while another of the agent's name did."""
        return not self._of.get(agent, {}).keys().isdisjoint(boots)

    def refused_last(self) -> dict[str, DuplicateRecord]:
        """Return by agent who was refused last since another one of its name was heard."""
        return {
            agent: one
            for agent, seen in self._of.items()
            for one in seen.values()  # of several the last one stays
            if one.refused
        }

    async def note(self, agent: str, heard: str, other: str, *, refused: bool) -> None:
        """Keep that two boots lived at the same time: one that is `heard`, and another one.

        Done before anybody is answered, so that no end of ours forgets it. On a full disk it is
        known until then.
        """
        now_ns = self._clock.wall_ns()
        fresh = [DuplicateRecord(agent=agent, boot=other, refused=refused, seen_ns=now_ns)]
        if heard not in self._of.get(agent, {}):
            fresh.insert(0, DuplicateRecord(agent=agent, boot=heard, refused=False, seen_ns=now_ns))
        for record in fresh:
            self._keep(record)
        try:
            await asyncio.wrap_future(self._store.put(fresh))
        except IsochroneError as error:
            logger.error("that %s runs twice is not kept: %s", agent, error)

    def _keep(self, record: DuplicateRecord) -> None:
        known = self._of.setdefault(record.agent, {})
        known.pop(record.boot, None)
        known[record.boot] = record
        if len(known) > DUPLICATES_KEPT:
            del known[next(iter(known))]
