"""A campaign judged when it is over: its own streams, its own targets, its own period.

The windows are read back from the store, so the report is based on what was stored, whoever
restarted in between. They are judged by the same parts as everything else, into its own snapshot.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass

import numpy as np

from controller.campaigns.campaign_file import Campaign
from controller.campaigns.registry import request_of
from controller.campaigns.request import CampaignRequest, existing_part
from controller.fleet.exclusions import Exclusions
from controller.live.accounts import Tally
from controller.live.aging import LEAST_NS
from controller.live.baseline_comparator import BaselineComparator
from controller.live.groups import Group
from controller.live.live_verdicts import LiveVerdicts
from controller.live.memory import SLOTS, RecentWindows
from controller.live.scope import Scope, scope_of
from controller.live.snapshot import Snapshot
from controller.live.warm_start import batches_between
from controller.reports.answers import answers_of
from controller.reports.report import Report, assemble
from controller.store.interface import Store
from controller.store.records import CampaignRecord
from foundation.clock import StoppedClock
from topology.model import PlannedStream
from topology.network import Network
from topology.targets import demands as make_demands

_BATCHES_IN_HAND = 500  # before they are added up
_SHARE_UNMEASURED = 10  # the last tenth of a period that is over may be missing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Period:
    """What a campaign measured, read back from the store, and who judges it."""

    scope: Scope
    from_ns: int
    to_ns: int
    length_ns: int
    excluded: Exclusions
    memory: RecentWindows
    tally: Tally
    live: LiveVerdicts


async def report_of(
    now: Snapshot, store: Store, record: CampaignRecord, streams: tuple[PlannedStream, ...]
) -> Report:
    """Return the report of a campaign that was measured and is over. Takes its time.

    `streams` are those that it asked for; `now` tells how the network and its agents are now.
    """
    request = existing_part(now.scope.network, request_of(record))
    period = await asyncio.to_thread(_read_back, now, store, record, request, streams)
    await period.live.judge_now(period.memory, now.fleet)
    then = _snapshot_of(now, period)
    bound = then.scope.streams_bound_by(request.targets)
    account = period.tally.account(record.from_ns, period.to_ns, then.scope.window_ns, bound)
    answers = await asyncio.to_thread(lambda: answers_of(then, store.state(), account))
    told = Campaign(
        name=request.name,
        title=request.title,
        duration_s=request.duration_s,
        targets=request.targets,
        language=request.language,
        prepared_for=request.prepared_for,
        time_zone=request.time_zone,
    )
    return assemble(told, answers, period.from_ns, period.to_ns, now.scope.network.name)


def _read_back(
    now: Snapshot,
    store: Store,
    record: CampaignRecord,
    request: CampaignRequest,
    streams: tuple[PlannedStream, ...],
) -> _Period:
    """Return what a campaign measured, ready to be judged as of its end."""
    assert record.begun_ns is not None
    assert record.ended_ns is not None
    from_ns, to_ns = record.begun_ns, min(record.ended_ns, record.to_ns)
    network, window_ns = _with_targets(now.scope.network, request), now.scope.window_ns
    scope = scope_of(network, streams, make_demands(network, streams), window_ns=window_ns)
    scope = dataclasses.replace(scope, groups=_whole_groups(now.scope.network, scope))
    # A slot more than was measured, so that nothing is forgotten as too old.
    length_ns = (to_ns - from_ns + 3 * window_ns) * (SLOTS + 1) // SLOTS
    memory = RecentWindows(scope.stream_ids, length_ns)
    comparator = BaselineComparator(scope.demands, streams)
    comparator.use(store.baselines.all())
    excluded = Exclusions(
        now.maintenance.over(scope.path_index), now.silences.over(scope.stream_index)
    )
    tally = Tally(streams, excluded, since_ns=np.zeros(len(streams), np.int64))
    agents = sorted({stream.path.source.site for stream in streams})
    for number, batch in enumerate(batches_between(store, agents, from_ns, to_ns), 1):
        not_judged = excluded.of(batch)
        tally.add(batch)
        memory.add(batch, not_judged)
        comparator.add(batch, not_judged)
        if number % _BATCHES_IN_HAND == 0:
            memory.compact()
            comparator.compact()
    live = LiveVerdicts(
        scope,
        (),
        from_ns,
        comparator,
        clock=StoppedClock(to_ns),
        least_age_ns=max(LEAST_NS, (to_ns - from_ns) // _SHARE_UNMEASURED),
    )
    return _Period(
        scope=scope,
        from_ns=from_ns,
        to_ns=to_ns,
        length_ns=length_ns,
        excluded=excluded,
        memory=memory,
        tally=tally,
        live=live,
    )


def _snapshot_of(now: Snapshot, period: _Period) -> Snapshot:
    """Return how everything was at the end of a period; of agents, how they are now."""
    comparator = period.live.improvements
    return Snapshot(
        at_ns=period.to_ns,
        scope=period.scope,
        fleet=now.fleet,
        maintenance=period.excluded.maintenance,
        silences=period.excluded.silences,
        started_ns=period.from_ns,
        judge_period_ns=period.length_ns,
        round=period.live.latest,
        logged={},
        looked_ns=None,
        plans=now.plans,
        duplicates=now.duplicates,
        campaigns=now.campaigns,
        baseline=comparator.baseline,
        baseline_fault=comparator.fault,
        steady=now.steady,
        operation=now.operation,
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
