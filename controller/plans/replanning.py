"""What campaigns add to the plan comes and goes while the controller runs.

The permanent streams keep their places, so nothing that is judged moves: demands, verdicts, groups,
improvements and the matrix rest on them alone
(docs/decisions/campaigns.md). What stands behind them is put
together anew, and put in place at one moment, when its first round is judged.
"""

from __future__ import annotations

import asyncio
import logging

from controller.fleet.exclusions import Exclusions
from controller.fleet.silences import newly_requested
from controller.live.verdicts import LiveVerdicts
from controller.plans.planner import stream_records
from controller.plans.push import push_all
from controller.state import ControllerState, plans_of, taking
from topology.model import PlannedStream

logger = logging.getLogger("isochrone.controller")


async def renew(state: ControllerState, streams: tuple[PlannedStream, ...]) -> None:
    """Plan `streams` (the permanent ones first), tell the agents, and judge what is planned now.

    Called between two rounds, by whoever makes them. Raises ResourceError where nothing can be
    stored; then nothing has changed.
    """
    before = state.plans
    await _plan(state, streams)
    planned_ns = state.campaigns.planned_ns(streams, len(state.permanent))
    scope = await asyncio.to_thread(
        lambda: state.rounds.scope.planning(streams, planned_ns, state.store.streams.all())
    )
    memory = state.memory.renumbered(scope.stream_ids)
    asked, now_ns = newly_requested(before, state.plans), state.clock.wall_ns()
    made = state.silences.requested_again(asked, state.plans, now_ns, scope.stream_index)
    state.store.silences.put(made)

    def excluded() -> Exclusions:
        return Exclusions(
            state.maintenance.now.over(scope.path_index),
            state.silences.now.over(scope.stream_index),
        )

    improvements = state.live.improvements
    state.ingest.use(taking(memory, excluded, improvements, state.clock))
    live = await asyncio.to_thread(
        lambda: LiveVerdicts(scope, (), now_ns, improvements, clock=state.clock)
    )
    live.follow(state.live)
    await state.rounds.move_to(scope, live, memory)


async def _plan(state: ControllerState, streams: tuple[PlannedStream, ...]) -> None:
    """Number the plans anew where they change, and push them."""
    async with state.planning:
        records = stream_records(streams)
        await asyncio.wrap_future(state.store.streams.put(records))
        state.ingest.own(records)  # before an agent can know of them
        plans = await asyncio.to_thread(
            plans_of, state.network, streams, state.settings, state.store, state.clock.wall_ns()
        )
        changed = [
            name for name, plan in plans.items() if plan.version != state.plans[name].version
        ]
        state.plans = plans
    logger.info("%d streams are planned; %d plans are new", len(streams), len(changed))
    await push_all(state, changed)
