"""What became of every probe that was due in the judged period, read back from the store."""

from __future__ import annotations

import asyncio

from controller.fleet.exclusions import Exclusions
from controller.live.accounts import Tally
from controller.live.snapshot import Snapshot
from controller.live.warm_start import batches_between
from controller.plans.planner import asked_since
from controller.store.interface import Store


class AccountReader:
    """Counts one period at a time: each is read whole from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()

    async def tally(self, now: Snapshot) -> Tally:
        """Return what became of the streams of a snapshot in the period that is judged."""
        async with self._reading:
            return await asyncio.to_thread(self._tallied, now)

    def _tallied(self, now: Snapshot) -> Tally:
        from_ns, to_ns, streams = now.round.data_from_ns, now.round.data_to_ns, now.scope.streams
        since_ns = asked_since(self._store, streams, now.plans, from_ns)
        tally = Tally(streams, Exclusions(now.maintenance, now.silences), since_ns=since_ns)
        agents = sorted({stream.path.source.site for stream in streams})
        for batch in batches_between(self._store, agents, from_ns, to_ns):
            tally.add(batch)
        return tally
