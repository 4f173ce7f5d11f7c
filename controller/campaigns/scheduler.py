"""Begins campaigns when it is time, ends them, and says what became of each.

What is done is first written down, then planned: a controller that is killed in between plans it
when it starts. One that was away says how much of a campaign it missed (`begun_ns` after `from_ns`,
or none at all), never that it was measured.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from controller.campaigns.registry import CampaignRegistry
from controller.events.events import CampaignChanged
from controller.fleet.agents import FleetView
from controller.plans.replanning import renew
from controller.state import ControllerState
from controller.store.campaigns import CampaignRecord
from topology.model import PlannedStream

OVERDUE_S = 1.0


async def look(state: ControllerState) -> bool:
    """Begin and end what is due, and let the plan follow; whether it changed (and was judged).

    Called between two rounds; while the clock is doubted all stays as it is. Raises ResourceError
    where nothing can be stored; it is tried again.
    """
    book, now_ns = state.campaigns, state.clock.wall_ns()
    if state.trust.doubt() is not None:  # what is begun or ended by a wrong clock is so for good
        return False
    async with book.changing:
        for record in list(book.records.values()):
            due = _due(record, now_ns)
            if due is not None:
                await turn(state, record, due)
    running = book.running(now_ns)
    if not running and state.streams is state.permanent:
        return False
    streams = await asyncio.to_thread(book.united, state.network, state.permanent, running)
    if streams == state.streams:
        return False
    await renew(state, streams)
    return True


def _due(record: CampaignRecord, now_ns: int) -> CampaignRecord | None:
    """Return what becomes of a campaign at `now_ns`; None where it stays as it is."""
    if record.is_over or now_ns < record.from_ns:
        return None
    if now_ns >= record.to_ns:
        return replace(record, ended_ns=now_ns)
    return replace(record, begun_ns=now_ns) if record.begun_ns is None else None


async def turn(state: ControllerState, before: CampaignRecord, after: CampaignRecord) -> None:
    """Write down what becomes of a campaign, and tell it. The caller holds `changing`."""
    if after.is_over and before.begun_ns is not None:
        streams = state.campaigns.streams_of(state.network, before)
        counts = curtailed(state.fleet.now(), streams)
        after = replace(after, refused=counts["refused"], throttled=counts["throttled"])
    await asyncio.wrap_future(state.store.campaigns.change(after))
    state.campaigns.put(after)
    state.bus.publish([event_of(after, before, state.clock.wall_ns())])


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


async def wait_due(book: CampaignRegistry, now_ns: int, longest_s: float) -> None:
    """Wait until a campaign is due or somebody changed one, `longest_s` at most."""
    edge_ns, wait_s = book.edge_ns(), longest_s
    if edge_ns is not None:
        # What is overdue could not be stored just now.
        away_s = (edge_ns - now_ns) / 1e9
        wait_s = min(longest_s, away_s if away_s > 0 else OVERDUE_S)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(book.told.wait(), wait_s)
    book.told.clear()
