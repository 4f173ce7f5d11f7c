"""What campaigns add to the plan comes and goes while the controller runs.

The permanent streams keep their places, so nothing that is judged moves: demands, verdicts, groups,
improvements and the matrix rest on them alone
(docs/decisions/campaigns.md). What stands behind them is put
together anew, and put in place at one moment, when its first round is judged.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Sequence
from dataclasses import replace

from controller.fleet.exclusions import Exclusions
from controller.fleet.silences import newly_requested
from controller.live.catalogue import Catalogue, catalogue_of
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
    before = dict(state.plans)
    await _plan(state, streams)
    catalogue = await asyncio.to_thread(_catalogue, state, streams)
    maintenance = state.rounds.state_inputs.maintenance.moved_to(
        catalogue.paths, catalogue.stream_path
    )
    memory = state.memory.renumbered([stream.stream_id for stream in streams])
    improvements = state.live.improvements
    silences = state.silences.moved_to(streams)
    asked = newly_requested(before, state.plans)
    made = silences.requested_again(asked, state.plans, state.clock.wall_ns())
    state.store.silences.put(made)
    state.ingest.use(taking(memory, Exclusions(maintenance, silences), improvements, state.clock))
    live = await asyncio.to_thread(_live, state, streams)
    state_inputs = replace(
        state.rounds.state_inputs,
        catalogue=catalogue,
        maintenance=maintenance,
        silences=silences,
        planned_ns=state.campaigns.planned_ns(streams, len(state.permanent)),
    )
    rounds = state.rounds.moved_to(state_inputs, live, memory, streams)
    rounds.before_announcing = functools.partial(state.matrices.renew, state)

    def put_in_place() -> None:
        maintenance.use(
            state.rounds.state_inputs.maintenance.records
        )  # what was announced meanwhile
        state.streams, state.catalogue = streams, catalogue
        state.memory, state.live, state.rounds = memory, live, rounds

    try:
        await rounds.make(put_in_place)
    finally:
        if state.live is not live:  # judging failed: what is taken in must be what is judged next
            put_in_place()


async def _plan(state: ControllerState, streams: tuple[PlannedStream, ...]) -> None:
    """Number the plans anew where they change, and push them."""
    async with state.planning:
        records = stream_records(streams)
        await asyncio.wrap_future(state.store.put_streams(records))
        state.ingest.own(records)  # before an agent can know of them
        plans = await asyncio.to_thread(
            plans_of, state.network, streams, state.settings, state.store, state.clock.wall_ns()
        )
        changed = [
            name for name, plan in plans.items() if plan.version != state.plans[name].version
        ]
        state.plans.update(plans)
    logger.info("%d streams are planned; %d plans are new", len(streams), len(changed))
    await push_all(state, changed)


def _catalogue(state: ControllerState, streams: Sequence[PlannedStream]) -> Catalogue:
    return catalogue_of(state.network, streams, state.demands, state.store.streams())


def _live(state: ControllerState, streams: Sequence[PlannedStream]) -> LiveVerdicts:
    live = LiveVerdicts(
        state.network,
        streams,
        state.demands,
        (),
        state.clock.wall_ns(),
        state.live.improvements,
        len(state.permanent),
        clock=state.clock,
        window_ns=state.settings.window_ms * 1_000_000,
    )
    live.follow(state.live)
    return live
