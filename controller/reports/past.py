"""A campaign judged when it is over: its own streams, its own targets, its own period.

The windows are read back from the store, so the report rests on what was stored, whoever restarted
in between. It is judged by the same parts as everything else and read through the same API, over a
private socket.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import tempfile

import numpy as np

from controller.api.gate import Gate
from controller.api.limits import Buckets
from controller.campaigns.campaign_file import Campaign
from controller.campaigns.demand import existing_part
from controller.campaigns.registry import request_of
from controller.campaigns.request import CampaignRequest
from controller.client.link import ControllerAddress
from controller.client.source import ApiSource
from controller.documents.matrix import Matrices
from controller.events.bus import EventBus
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silences import SilenceRegistry
from controller.live.accounts import Tally
from controller.live.aging import LEAST_NS
from controller.live.groups import Group
from controller.live.improvements import BaselineComparator
from controller.live.memory import SLOTS, RecentWindows
from controller.live.rounds import Rounds
from controller.live.scope import Scope, scope_of
from controller.live.verdicts import LiveVerdicts
from controller.live.warm_start import batches_between
from controller.reports.local import served
from controller.reports.report import Report, assemble
from controller.state import ControllerState
from controller.store.campaigns import CampaignRecord
from controller.supervision.watchdog import Watchdog
from foundation.clock import StoppedClock
from topology.network import Network
from topology.targets import demands as make_demands

_BATCHES_IN_HAND = 500  # before they are added up
_UNLIMITED = 1_000_000
_SHARE_UNMEASURED = 10  # the last tenth of a period that is over may be missing


async def report_of(state: ControllerState, record: CampaignRecord) -> Report:
    """Return the report of a campaign that was measured and is over. Takes its time."""
    assert record.begun_ns is not None
    assert record.ended_ns is not None
    request = existing_part(state.network, request_of(record))
    then = await asyncio.to_thread(_judged_then, state, record, request)
    await then.live.judge_now(then.memory, then.fleet.now())
    with tempfile.TemporaryDirectory(prefix="isochrone-report-") as folder:
        async with (
            served(then, pathlib.Path(folder) / "api.sock") as url,
            ApiSource(ControllerAddress(url)) as source,
        ):
            answers = await source.answers(request.targets)
    told = Campaign(
        name=request.name,
        title=request.title,
        duration_s=request.duration_s,
        targets=request.targets,
        language=request.language,
        prepared_for=request.prepared_for,
        time_zone=request.time_zone,
    )
    ended_ns = min(record.ended_ns, record.to_ns)
    return assemble(told, answers, record.begun_ns, ended_ns, state.network.name)


def _judged_then(
    state: ControllerState, record: CampaignRecord, request: CampaignRequest
) -> ControllerState:
    """Return a controller that knows of nothing but the campaign, filled from the store."""
    assert record.begun_ns is not None
    assert record.ended_ns is not None
    network = _with_targets(state.network, request)
    streams = state.campaigns.streams_of(state.network, record)
    window_ns = state.settings.window_ms * 1_000_000
    from_ns, to_ns = record.begun_ns, min(record.ended_ns, record.to_ns)
    scope = scope_of(network, streams, make_demands(network, streams), window_ns=window_ns)
    scope = dataclasses.replace(scope, groups=_whole_groups(state.network, scope))
    clock = StoppedClock(to_ns)
    # A slot more than was measured, so that nothing is forgotten as too old.
    period_ns = (to_ns - from_ns + 3 * window_ns) * (SLOTS + 1) // SLOTS
    memory = RecentWindows(scope.stream_ids, period_ns)
    book = BaselineComparator(scope.demands, streams)
    book.use(state.store.baselines.all())
    maintenance = MaintenanceSchedule(state.maintenance.now.records, scope.path_index)
    silences = SilenceRegistry(state.silences.now.records.values(), scope.stream_index)
    excluded = Exclusions(maintenance.now, silences.now)
    agents = sorted({stream.path.source.site for stream in streams})
    tally = Tally(streams, excluded, since_ns=np.zeros(len(streams), np.int64))
    batches = batches_between(state.store, agents, from_ns, to_ns)
    for number, batch in enumerate(batches, 1):
        not_judged = excluded.of(batch)
        tally.add(batch)
        memory.add(batch, not_judged)
        book.add(batch, not_judged)
        if number % _BATCHES_IN_HAND == 0:
            memory.compact()
            book.compact()
    least_age_ns = max(LEAST_NS, (to_ns - from_ns) // _SHARE_UNMEASURED)
    live = LiveVerdicts(scope, (), from_ns, book, clock=clock, least_age_ns=least_age_ns)
    rounds = Rounds(
        scope,
        live,
        memory,
        fleet=state.fleet,
        maintenance=maintenance,
        silences=silences,
        bus=EventBus(),
        known=(),
        clock=clock,
        watchdog=Watchdog(clock),
    )
    return dataclasses.replace(
        state,
        settings=dataclasses.replace(state.settings, judge_period_ns=period_ns),
        clock=clock,
        started_ns=from_ns,
        maintenance=maintenance,
        silences=silences,
        rounds=rounds,
        gate=Gate(state.access),
        callers=Buckets(state.clock, _UNLIMITED, _UNLIMITED),
        matrices=Matrices(clock),
        tally=tally,
        tallied_ns=(record.from_ns, to_ns),
        sockets=set(),
    )


def _whole_groups(network: Network, chosen: Scope) -> tuple[Group, ...]:
    """Return the groups all of whose targets are in the report: a part of one has no rate."""
    asked = {target.name for target in chosen.network.targets}
    parts = {target.group for target in network.targets if target.name not in asked}
    return tuple(group for group in chosen.groups if group.name not in parts)


def _with_targets(network: Network, request: CampaignRequest) -> Network:
    """Return the network with the targets of the report alone."""
    if not request.targets:
        return network
    targets = {target.name: target for target in network.targets}
    chosen = tuple(targets[name] for name in request.targets if name in targets)
    return dataclasses.replace(network, targets=chosen)
