"""Begins campaigns when it is time, ends them, and says what became of each.

What is done is first written down, then planned: a controller that is killed in between plans it
when it starts. One that was away says how much of a campaign it missed (`begun_ns` after `from_ns`,
or none at all), never that it was measured.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from controller.campaigns.registry import CampaignRegistry
from controller.events.bus import EventBus
from controller.events.event_types import CampaignChanged
from controller.fleet.agents import Fleet, FleetView
from controller.live.scope import Scope
from controller.store.interface import CampaignStore
from controller.store.records import CampaignRecord
from controller.supervision.clock_trust import ClockTrust
from foundation.clock import Clock
from topology.model import PlannedStream

OVERDUE_S = 1.0


class CampaignScheduler:
    """Begins and ends campaigns between two rounds of judging.

    `scope` tells what is planned now; `replan` plans other streams, given since when each is
    planned, and judges them. It is looked every `look_every_s` at least.
    """

    def __init__(
        self,
        registry: CampaignRegistry,
        store: CampaignStore,
        *,
        fleet: Fleet,
        trust: ClockTrust,
        bus: EventBus,
        clock: Clock,
        look_every_s: float,
        scope: Callable[[], Scope],
        replan: Callable[[tuple[PlannedStream, ...], NDArray[np.int64]], Awaitable[None]],
    ) -> None:
        self._registry, self._store, self._fleet = registry, store, fleet
        self._trust, self._bus, self._clock = trust, bus, clock
        self._look_every_s, self._scope, self._replan = look_every_s, scope, replan

    async def look(self) -> bool:
        """Begin and end what is due, and let the plan follow; whether it changed (and was judged).

        Called between two rounds; while the clock is doubted all stays as it is. Raises
        ResourceError where nothing can be stored; it is tried again.
        """
        registry, now_ns, scope = self._registry, self._clock.wall_ns(), self._scope()
        if self._trust.doubt() is not None:  # what a wrong clock begins or ends is so for good
            return False
        async with registry.changing:
            for record in list(registry.records.values()):
                due = _due(record, now_ns)
                if due is not None:
                    await self.turn(record, due)
        running = registry.running(now_ns)
        if not running and scope.streams is scope.permanent:
            return False
        streams = await asyncio.to_thread(
            registry.plan_with, scope.network, scope.permanent, running
        )
        if streams == scope.streams:
            return False
        await self._replan(streams, registry.planned_ns(streams, len(scope.permanent)))
        return True

    async def turn(self, before: CampaignRecord, after: CampaignRecord) -> None:
        """Write down what becomes of a campaign, and tell it. The caller holds `changing`."""
        if after.is_over and before.begun_ns is not None:
            streams = self._registry.streams_of(self._scope().network, before)
            counts = curtailed(self._fleet.now(), streams)
            after = replace(after, refused=counts["refused"], throttled=counts["throttled"])
        await asyncio.wrap_future(self._store.change(after))
        self._registry.put(after)
        self._bus.publish([event_of(after, before, self._clock.wall_ns())])

    async def wait_due(self) -> None:
        """Wait until a campaign is due, somebody changed one, or it is time to look anyway."""
        edge_ns, wait_s = self._registry.edge_ns(), self._look_every_s
        if edge_ns is not None:
            # What is overdue could not be stored just now.
            away_s = (edge_ns - self._clock.wall_ns()) / 1e9
            wait_s = min(wait_s, away_s if away_s > 0 else OVERDUE_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._registry.told.wait(), wait_s)
        self._registry.told.clear()


def _due(record: CampaignRecord, now_ns: int) -> CampaignRecord | None:
    """Return what becomes of a campaign at `now_ns`; None where it stays as it is."""
    if record.is_over or now_ns < record.from_ns:
        return None
    if now_ns >= record.to_ns:
        return replace(record, ended_ns=now_ns)
    return replace(record, begun_ns=now_ns) if record.begun_ns is None else None


def event_of(record: CampaignRecord, before: CampaignRecord | None, now_ns: int) -> CampaignChanged:
    """Return as an event that a campaign came into its state."""
    since_ns = None
    if before is not None:
        since_ns = before.created_ns if before.begun_ns is None else before.begun_ns
    return CampaignChanged(
        at_ns=now_ns,
        campaign=record.name,
        state=record.state,
        previous=None if before is None else before.state,
        previous_since_ns=since_ns,
    )


def curtailed(fleet: FleetView, streams: Sequence[PlannedStream]) -> Counter[str]:
    """Return how many of some streams the agents' owners refuse, and throttle, now."""
    found = (fleet.curtailment(stream.path.source.site, stream.stream_id) for stream in streams)
    return Counter(one.action for one in found if one is not None)
