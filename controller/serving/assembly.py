"""The one place where the services of a controller are opened and wired to one another."""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from controller.access.certificate_authority import authority_exists, load_authority
from controller.access.credential_store import CredentialStore
from controller.access.key_database import reporting_keys_damage
from controller.access.stamp_keyring import StampKeyring
from controller.api.event_stream import EventStream
from controller.api.gate import Gate
from controller.api.limits import RunningByCaller
from controller.api.metrics import exposition
from controller.api.server.connections import Connections
from controller.api.services import Readings, Services
from controller.campaigns.scheduler import CampaignScheduler
from controller.documents.matrix import Matrices
from controller.events.bus import EventBus
from controller.events.recorder import Recorder
from controller.fleet.agents import Fleet
from controller.fleet.exclusions import Exclusions
from controller.ingest.ingest import Ingest
from controller.live.archive import Archive
from controller.live.baseline_comparator import BaselineComparator
from controller.live.live_verdicts import LiveVerdicts
from controller.live.memory import RecentWindows
from controller.live.rounds import JUDGING, Rounds
from controller.live.snapshot import Snapshots
from controller.live.warm_start import remember, taking
from controller.plans.channels import Channels, DuplicateAgents
from controller.plans.distribution import PlanDistribution
from controller.plans.last_sites import keep_sites, last_network
from controller.plans.replanning import Replanner
from controller.reports.answers import AccountReader
from controller.reports.reporting import Reporting
from controller.serving.first_plan import FirstPlan, Opened, first_plan
from controller.serving.snapshot_taker import OperationReader, SnapshotTaker
from controller.settings import Settings
from controller.store.engines import open_store, store_url
from controller.store.interface import StoreFullError
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.token_buckets import Buckets
from probes.window import WindowBatch
from topology.network import Network

JUDGED_ROUNDS = 3
JUDGED_GRACE_S = 60.0  # a round of a large network takes its time


# Whoever hears of events: each is given the services once, and subscribes to the bus.
SUBSCRIBERS: list[Callable[[Services], None]] = [
    lambda services: services.stream.follow(services.bus),
]


def open_services(
    network: Network, directory: pathlib.Path, settings: Settings, clock: Clock
) -> Services:
    """Open the store, number the plans and rebuild the memory of the judged period.

    Where there is no room for plans of a changed network, the services are those of the network
    before, which says so in its warnings. Raises ConfigError or ResourceError where the data
    directory is not to be had.
    """
    with contextlib.ExitStack() as opened_so_far:
        opened = _opened(directory, settings, clock, opened_so_far)
        try:
            services = _assembled(network, opened)
            keep_sites(directory, network)
        except StoreFullError as error:
            before = last_network(directory, error.text)
            if before is None:
                raise
            services = _assembled(before, opened)
        opened_so_far.pop_all()
    for subscribe in SUBSCRIBERS:
        subscribe(services)
    return services


def _opened(
    directory: pathlib.Path,
    settings: Settings,
    clock: Clock,
    opened_so_far: contextlib.ExitStack,
) -> Opened:
    store = open_store(settings.store_url or store_url(directory), retention=settings.retention)
    opened_so_far.callback(store.close)
    opened_so_far.enter_context(store.reporting_damage())
    with reporting_keys_damage(directory):
        access = CredentialStore(directory, clock)
        opened_so_far.callback(access.close)
        stamp_keyring = StampKeyring(directory, clock)
        opened_so_far.callback(stamp_keyring.close)
    return Opened(
        settings=settings,
        clock=clock,
        store=store,
        access=access,
        stamp_keyring=stamp_keyring,
        authority=load_authority(directory, clock) if authority_exists(directory) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """What judges, what it tells, and what it is given."""

    bus: EventBus
    watchdog: Watchdog
    rounds: Rounds
    take: Callable[[WindowBatch], None]


def _assembled(network: Network, opened: Opened) -> Services:
    """Return the services of a network: what is planned, judged, taken in, given out and asked."""
    clock, store, settings = opened.clock, opened.store, opened.settings
    started_ns = clock.wall_ns()
    planned = first_plan(network, opened, started_ns)
    fleet = Fleet(planned.plans, store.windows.agent_totals(), clock)
    live = _live(opened, planned, fleet, started_ns)
    duplicates, channels = DuplicateAgents(store.duplicates, clock), Channels(clock)
    ingest = _ingest(opened, planned, fleet, live, duplicates)
    distribution = _distribution(network, opened, planned, channels, live.bus)
    trust = ClockTrust(clock, fleet, settings.retention, store.windows.oldest_ns)
    operation = OperationReader(
        ingest=ingest,
        gate=Gate(opened.access),
        callers=Buckets(clock, settings.requests_per_s, settings.request_burst),
        connections=Connections(),
        stream=EventStream(),
        watchdog=live.watchdog,
    )
    taker = SnapshotTaker(
        started_ns=started_ns,
        judge_period_ns=settings.judge_period_ns,
        rounds=live.rounds,
        distribution=distribution,
        duplicates=duplicates,
        campaigns=planned.campaigns,
        trust=trust,
        operation=operation,
    )
    readings = _readings(opened, Snapshots(taker.take), live.rounds)
    return Services(
        readings=readings,
        clock=clock,
        store=store,
        bus=live.bus,
        access=opened.access,
        stamp_keyring=opened.stamp_keyring,
        authority=opened.authority,
        gate=operation.gate,
        fleet=fleet,
        maintenance=planned.maintenance,
        silences=planned.silences,
        duplicates=duplicates,
        channels=channels,
        distribution=distribution,
        ingest=ingest,
        rounds=live.rounds,
        campaigns=planned.campaigns,
        scheduler=_scheduler(opened, planned, fleet, live, ingest, distribution, trust),
        reporting=Reporting(planned.campaigns, store, readings.snapshots.now, live.watchdog),
        watchdog=live.watchdog,
        trust=trust,
        store_watch=StoreWatch(store, clock),
        callers=operation.callers,
        connections=operation.connections,
        stream=operation.stream,
    )


def _live(opened: Opened, planned: FirstPlan, fleet: Fleet, now_ns: int) -> _Live:
    """Return what judges, with what it remembers of the time before the start."""
    clock, store, scope = opened.clock, opened.store, planned.scope
    maintenance, silences = planned.maintenance, planned.silences
    memory = RecentWindows(scope.stream_ids, opened.settings.judge_period_ns)
    comparator = BaselineComparator(scope.demands, scope.permanent)
    comparator.use(store.baselines.all())

    def excluded() -> Exclusions:
        return Exclusions(maintenance.now, silences.now)

    take = taking(memory, excluded, comparator, clock)
    remember(store, memory, comparator, excluded(), take, now_ns)
    known = store.event_log.states()
    watchdog, bus = Watchdog(clock), EventBus()
    watchdog.expect(JUDGING, JUDGED_ROUNDS * opened.settings.judge_every_s + JUDGED_GRACE_S)
    Recorder(store.event_log, bus)
    rounds = Rounds(
        scope,
        LiveVerdicts(scope, known, now_ns, comparator, clock=clock),
        memory,
        fleet=fleet,
        maintenance=maintenance,
        silences=silences,
        bus=bus,
        known=known,
        clock=clock,
        watchdog=watchdog,
    )
    return _Live(bus=bus, watchdog=watchdog, rounds=rounds, take=take)


def _ingest(
    opened: Opened, planned: FirstPlan, fleet: Fleet, live: _Live, duplicates: DuplicateAgents
) -> Ingest:
    return Ingest(
        opened.store,
        fleet,
        opened.clock,
        planned.recorded,
        live.take,
        opened.settings.retention,
        duplicates.is_duplicate,
        opened.window_ns,
    )


def _distribution(
    network: Network, opened: Opened, planned: FirstPlan, channels: Channels, bus: EventBus
) -> PlanDistribution:
    return PlanDistribution(
        network,
        planned.plans,
        window_ms=opened.settings.window_ms,
        store=opened.store,
        channels=channels,
        stamp_keyring=opened.stamp_keyring,
        authority=opened.authority,
        clock=opened.clock,
        bus=bus,
    )


def _scheduler(
    opened: Opened,
    planned: FirstPlan,
    fleet: Fleet,
    live: _Live,
    ingest: Ingest,
    distribution: PlanDistribution,
    trust: ClockTrust,
) -> CampaignScheduler:
    """Return what lets campaigns begin and end, by having everything planned again."""
    replanner = Replanner(
        distribution=distribution,
        rounds=live.rounds,
        ingest=ingest,
        maintenance=planned.maintenance,
        silences=planned.silences,
        store=opened.store,
        clock=opened.clock,
    )
    return CampaignScheduler(
        planned.campaigns,
        opened.store.campaigns,
        fleet=fleet,
        trust=trust,
        bus=live.bus,
        clock=opened.clock,
        look_every_s=opened.settings.judge_every_s,
        scope=lambda: live.rounds.scope,
        replan=replanner.renew,
    )


def _readings(opened: Opened, snapshots: Snapshots, rounds: Rounds) -> Readings:
    """Return what documents are made from; it is renewed after every round."""
    matrices = Matrices(opened.clock)
    rounds.followers["snapshot"] = snapshots.publish
    rounds.followers["matrix"] = lambda: matrices.renew(snapshots.latest)
    return Readings(
        snapshots=snapshots,
        archive=Archive(opened.store, opened.access),
        accounts=AccountReader(opened.store),
        matrices=matrices,
        exposition=functools.partial(exposition, most_paths=opened.settings.metrics_paths),
        exports=RunningByCaller(),
    )
