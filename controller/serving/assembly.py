"""The one place where the services of a controller are opened and wired to one another."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from controller.access.certificate_authority import Authority, authority_exists, load_authority
from controller.access.credential_store import CredentialStore
from controller.access.key_database import reporting_keys_damage
from controller.access.stamp_keyring import StampKeyring
from controller.api.event_stream import EventStream
from controller.api.gate import Gate
from controller.api.limits import RunningByCaller
from controller.api.server.connections import Connections
from controller.api.services import Services
from controller.campaigns.registry import CampaignRegistry
from controller.campaigns.scheduler import CampaignScheduler
from controller.documents.matrix import Matrices
from controller.events.bus import EventBus
from controller.events.recorder import Recorder
from controller.fleet.agents import Fleet
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silence_registry import SilenceRegistry, newly_requested
from controller.ingest.ingest import Ingest
from controller.live.baseline_comparator import BaselineComparator
from controller.live.live_verdicts import LiveVerdicts
from controller.live.memory import RecentWindows
from controller.live.rounds import JUDGING, Rounds
from controller.live.scope import Scope, scope_of
from controller.live.snapshot import Snapshots
from controller.live.warm_start import remember, taking
from controller.plans.channels import Channels, DuplicateAgents
from controller.plans.distribution import PlanDistribution, plans_of
from controller.plans.last_sites import keep_sites, last_network
from controller.plans.planner import last_plans, stream_records
from controller.plans.replanning import Replanner
from controller.reports.answers import AccountReader
from controller.reports.reporting import Reporting
from controller.serving.snapshot_taker import OperationReader, SnapshotTaker
from controller.settings import VERSION, Settings
from controller.store.engines import open_store, store_url
from controller.store.interface import DamagedStoreError, Store, StoreFullError
from controller.store.records import StreamRecord
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.errors import ResourceError
from foundation.token_buckets import Buckets
from messages.exchange import Plan
from topology.mesh import plan_streams
from topology.network import Network
from topology.targets import demands as make_demands

logger = logging.getLogger("isochrone.controller")

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
        url = settings.store_url or store_url(directory)
        store = open_store(url, retention=settings.retention)
        opened_so_far.callback(store.close)
        opened_so_far.enter_context(store.reporting_damage())
        with reporting_keys_damage(directory):
            access = CredentialStore(directory, clock)
            opened_so_far.callback(access.close)
            stamp_keyring = StampKeyring(directory, clock)
            opened_so_far.callback(stamp_keyring.close)
        authority = load_authority(directory, clock) if authority_exists(directory) else None
        opened = _Opened(settings, clock, store, access, stamp_keyring, authority)
        try:
            services = _assemble(network, opened)
            keep_sites(directory, network)
        except StoreFullError as error:
            before = last_network(directory, error.text)
            if before is None:
                raise
            services = _assemble(before, opened)
        opened_so_far.pop_all()
    for subscribe in SUBSCRIBERS:
        subscribe(services)
    return services


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is opened once, whatever the network."""

    settings: Settings
    clock: Clock
    store: Store
    access: CredentialStore
    stamp_keyring: StampKeyring
    authority: Authority | None

    @property
    def window_ns(self) -> int:
        """The length of a window."""
        return self.settings.window_ms * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What is planned from the start: numbered, stored, and silent until it is confirmed."""

    scope: Scope
    campaigns: CampaignRegistry
    plans: Mapping[str, Plan]
    recorded: list[StreamRecord]
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry


def _planned(network: Network, opened: _Opened, now_ns: int) -> _Planned:
    settings, store = opened.settings, opened.store
    permanent = plan_streams(network)
    campaigns = CampaignRegistry(store.campaigns.records())
    streams = campaigns.united(network, permanent, campaigns.running(now_ns))
    before = last_plans(store)
    plans = plans_of(network, streams, settings.window_ms, store, now_ns)
    with _done_without_room():
        store.streams.put(stream_records(streams)).result()
    documents = [(name, msgspec.json.encode(site)) for name, site in network.sites.items()]
    with _done_without_room():
        store.sites.put(documents, now_ns).result()
    with _done_without_room():
        opened.access.audit(
            actor="controller", action="start", subject=network.name, detail=VERSION
        )
    recorded = store.streams.all()
    scope = scope_of(
        network,
        streams,
        make_demands(network, permanent),
        permanent=permanent,
        planned_ns=campaigns.planned_ns(streams, len(permanent)),
        recorded=recorded,
        window_ns=opened.window_ns,
    )
    silences = SilenceRegistry(store.silences.records(), scope.stream_index)
    asked = newly_requested(before, plans)
    with _done_without_room():
        store.silences.put(silences.requested_again(asked, plans, now_ns)).result()
    return _Planned(
        scope=scope,
        campaigns=campaigns,
        plans=plans,
        recorded=recorded,
        maintenance=MaintenanceSchedule(store.event_log.maintenance(), scope.path_index),
        silences=silences,
    )


def _assemble(network: Network, opened: _Opened) -> Services:
    settings, clock, store = opened.settings, opened.clock, opened.store
    now_ns = clock.wall_ns()
    planned = _planned(network, opened, now_ns)
    scope, maintenance, silences = planned.scope, planned.maintenance, planned.silences
    duplicates = DuplicateAgents(store.duplicates, clock)
    fleet = Fleet(planned.plans, store.windows.agent_totals(), clock)
    memory = RecentWindows(scope.stream_ids, settings.judge_period_ns)
    comparator = BaselineComparator(scope.demands, scope.permanent)
    comparator.use(store.baselines.all())

    def excluded() -> Exclusions:
        return Exclusions(maintenance.now, silences.now)

    take = taking(memory, excluded, comparator, clock)
    remember(store, memory, comparator, excluded(), take, now_ns)
    known = store.event_log.states()
    watchdog = Watchdog(clock)
    watchdog.expect(JUDGING, JUDGED_ROUNDS * settings.judge_every_s + JUDGED_GRACE_S)
    bus = EventBus()
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
    ingest = Ingest(
        store,
        fleet,
        clock,
        planned.recorded,
        take,
        settings.retention,
        duplicates.is_duplicate,
        opened.window_ns,
    )
    channels = Channels(clock)
    distribution = PlanDistribution(
        network,
        planned.plans,
        window_ms=settings.window_ms,
        store=store,
        channels=channels,
        stamp_keyring=opened.stamp_keyring,
        authority=opened.authority,
        clock=clock,
        bus=bus,
    )
    replanner = Replanner(
        distribution=distribution,
        rounds=rounds,
        ingest=ingest,
        maintenance=maintenance,
        silences=silences,
        store=store,
        clock=clock,
    )
    trust = ClockTrust(clock, fleet, settings.retention, store.windows.oldest_ns)
    gate, stream, connections = Gate(opened.access), EventStream(), Connections()
    callers = Buckets(clock, settings.requests_per_s, settings.request_burst)
    taker = SnapshotTaker(
        started_ns=now_ns,
        judge_period_ns=settings.judge_period_ns,
        rounds=rounds,
        distribution=distribution,
        duplicates=duplicates,
        campaigns=planned.campaigns,
        trust=trust,
        operation=OperationReader(
            ingest=ingest,
            gate=gate,
            callers=callers,
            connections=connections,
            stream=stream,
            watchdog=watchdog,
        ),
    )
    snapshots, matrices = Snapshots(taker.take), Matrices(clock)
    rounds.followers["snapshot"] = snapshots.publish
    rounds.followers["matrix"] = lambda: matrices.renew(snapshots.latest)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        snapshots=snapshots,
        bus=bus,
        access=opened.access,
        stamp_keyring=opened.stamp_keyring,
        authority=opened.authority,
        gate=gate,
        fleet=fleet,
        maintenance=maintenance,
        silences=silences,
        duplicates=duplicates,
        channels=channels,
        distribution=distribution,
        ingest=ingest,
        rounds=rounds,
        campaigns=planned.campaigns,
        scheduler=CampaignScheduler(
            planned.campaigns,
            store.campaigns,
            fleet=fleet,
            trust=trust,
            bus=bus,
            clock=clock,
            scope=lambda: rounds.scope,
            replan=replanner.renew,
        ),
        reporting=Reporting(planned.campaigns, store, snapshots.now, watchdog),
        accounts=AccountReader(store),
        watchdog=watchdog,
        trust=trust,
        store_watch=StoreWatch(store, clock),
        callers=callers,
        connections=connections,
        exports=RunningByCaller(),
        matrices=matrices,
        stream=stream,
    )


@contextlib.contextmanager
def _done_without_room() -> Iterator[None]:
    """Let a start continue where nothing can be written: what is there is served all the same."""
    try:
        yield
    except DamagedStoreError:
        raise
    except ResourceError as error:
        logger.error("the start continues, and something is not kept: %s", error)
