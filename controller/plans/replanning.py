"""What campaigns add to the plan comes and goes while the controller runs.

The permanent streams keep their places, so nothing that is judged moves: demands, verdicts, groups,
improvements and the matrix are based on them alone (docs/decisions/campaigns.md). What stands
behind them is put together again, and put in place at one moment, when its first round is judged.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silence_registry import SilenceRegistry, newly_requested
from controller.ingest.ingest import Ingest
from controller.live.live_verdicts import LiveVerdicts
from controller.live.rounds import Rounds
from controller.live.warm_start import taking
from controller.plans.distribution import PlanDistribution
from controller.plans.planner import stream_records
from controller.store.interface import Store
from foundation.clock import Clock
from topology.model import PlannedStream

logger = logging.getLogger("isochrone.controller")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanner:
    """Puts other streams behind the permanent ones."""

    distribution: PlanDistribution
    rounds: Rounds
    ingest: Ingest
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry
    store: Store
    clock: Clock

    async def renew(
        self, streams: tuple[PlannedStream, ...], planned_ns: NDArray[np.int64]
    ) -> None:
        """Plan `streams` (the permanent ones first), tell the agents, and judge what is planned.

        `planned_ns` int64[n]: since when each is. Called between two rounds, by whoever makes them.
        Raises ResourceError where nothing can be stored; then nothing has changed.
        """
        before, rounds = self.distribution.plans, self.rounds
        await self._plan(streams)
        scope = await asyncio.to_thread(
            lambda: rounds.scope.planning(streams, planned_ns, self.store.streams.all())
        )
        memory = rounds.memory.renumbered(scope.stream_ids)
        asked, now_ns = newly_requested(before, self.distribution.plans), self.clock.wall_ns()
        plans = self.distribution.plans
        made = self.silences.requested_again(asked, plans, now_ns, scope.stream_index)
        self.store.silences.put(made)

        def excluded() -> Exclusions:
            return Exclusions(
                self.maintenance.now.over(scope.path_index),
                self.silences.now.over(scope.stream_index),
            )

        improvements = rounds.live.improvements
        self.ingest.use(taking(memory, excluded, improvements, self.clock))
        live = await asyncio.to_thread(
            lambda: LiveVerdicts(scope, (), now_ns, improvements, clock=self.clock)
        )
        live.follow(rounds.live)
        await rounds.move_to(scope, live, memory)

    async def _plan(self, streams: tuple[PlannedStream, ...]) -> None:
        """Number the plans again where they change, and push them."""
        async with self.distribution.changing:
            records = stream_records(streams)
            await asyncio.wrap_future(self.store.streams.put(records))
            self.ingest.own(records)  # before an agent can know of them
            changed = await self.distribution.renumber(streams)
        logger.info("%d streams are planned; %d plans are new", len(streams), len(changed))
        await self.distribution.push(changed)
