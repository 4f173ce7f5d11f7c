"""Everything a running controller knows, put together once at start and handed to the routes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from controller.access.authority import Authority, authority_exists, load_authority
from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.access.tables import reporting_keys_damage
from controller.api.event_stream import EventStream
from controller.api.gate import Gate
from controller.api.server.connections import KINDS, WORDS, Connections
from controller.campaigns.registry import CampaignRegistry
from controller.campaigns.scheduler import CampaignScheduler
from controller.documents.matrix import Matrices
from controller.events.bus import EventBus
from controller.events.recorder import Recorder
from controller.fleet.agents import Fleet
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silences import SilenceRegistry, newly_requested
from controller.ingest.ingest import Ingest
from controller.live.catalogue import Catalogue
from controller.live.improvements import BaselineComparator
from controller.live.memory import RecentWindows
from controller.live.rounds import JUDGING, Rounds
from controller.live.scope import scope_of
from controller.live.snapshot import Operation, Snapshot
from controller.live.verdicts import LiveVerdicts
from controller.live.warm_start import remember, taking
from controller.plans.channels import Channels
from controller.plans.distribution import PlanDistribution, plans_of
from controller.plans.duplicate_agents import DuplicateAgents
from controller.plans.last_sites import keep_sites, last_network
from controller.plans.planner import last_plans, stream_records
from controller.plans.replanning import Replanner
from controller.reports.reporting import Reporting
from controller.settings import VERSION, Settings
from controller.store.engines import open_store, store_url
from controller.store.interface import DamagedStoreError, Store, StoreFullError
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.errors import ResourceError
from foundation.token_buckets import Buckets
from messages.exchange import Plan
from topology.mesh import plan_streams
from topology.model import Demand, PlannedStream
from topology.network import Network
from topology.targets import demands as make_demands

logger = logging.getLogger("isochrone.controller")

JUDGED_ROUNDS = 3
JUDGED_GRACE_S = 60.0  # a round of a large network takes its time


@dataclass(slots=True, kw_only=True)
class ControllerState:
    """The services of a running controller; what they know of is in the snapshots.

    `permanent` are the streams of the site file's meshes, `streams` those that are planned now: the
    permanent ones first and in the same places, then what campaigns add (`plans.replanning`).
    """

    settings: Settings
    clock: Clock
    started_ns: int
    campaigns: CampaignRegistry
    distribution: PlanDistribution
    replanner: Replanner
    store: Store
    access: CredentialStore
    stamp_keyring: StampKeyring
    gate: Gate
    authority: Authority | None
    fleet: Fleet
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry
    rounds: Rounds
    bus: EventBus
    stream: EventStream
    watchdog: Watchdog
    trust: ClockTrust
    scheduler: CampaignScheduler = field(init=False)
    reporting: Reporting = field(init=False)
    store_watch: StoreWatch
    callers: Buckets
    connections: Connections = field(default_factory=Connections)
    ingest: Ingest
    exports: Counter[str] = field(default_factory=Counter)  # that run now, by caller
    tallying: asyncio.Lock = field(default_factory=asyncio.Lock)
    matrices: Matrices
    latest: Snapshot | None = None  # the last one that was published
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    channels: Channels
    duplicates: DuplicateAgents

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plans in force, by agent."""
        return self.distribution.plans

    @property
    def network(self) -> Network:
        """The network of the site file."""
        return self.rounds.scope.network

    @property
    def streams(self) -> tuple[PlannedStream, ...]:
        """The streams that are planned now."""
        return self.rounds.scope.streams

    @property
    def permanent(self) -> tuple[PlannedStream, ...]:
        """The streams of the site file's meshes."""
        return self.rounds.scope.permanent

    @property
    def demands(self) -> tuple[Demand, ...]:
        """What is demanded of paths."""
        return self.rounds.scope.demands

    @property
    def catalogue(self) -> Catalogue:
        """The places of everything."""
        return self.rounds.scope.catalogue

    @property
    def memory(self) -> RecentWindows:
        """The windows of the judged period."""
        return self.rounds.memory

    @property
    def live(self) -> LiveVerdicts:
        """The verdicts."""
        return self.rounds.live

    def snapshot(self) -> Snapshot:
        """Return how everything is at this moment."""
        now = self.rounds.state_inputs()
        improvements = self.rounds.live.improvements
        return Snapshot(
            at_ns=now.at_ns,
            scope=now.scope,
            fleet=now.fleet,
            maintenance=now.maintenance,
            silences=now.silences,
            started_ns=self.started_ns,
            judge_period_ns=self.settings.judge_period_ns,
            round=self.rounds.live.latest,
            logged=self.rounds.logged(),
            looked_ns=self.rounds.looked_ns,
            plans=self.plans,
            duplicates=self.duplicates.refused_last(),
            campaigns=self.campaigns.records,
            baseline=improvements.baseline,
            baseline_fault=improvements.fault,
            steady=self.trust.steady(),
            operation=self._operation(),
        )

    def _operation(self) -> Operation:
        ingest, watchdog = self.ingest, self.watchdog
        return Operation(
            version=VERSION,
            chunks=ingest.chunks,
            results=ingest.results.copy(),
            duplicates=ingest.duplicates,
            bytes=ingest.bytes,
            refused=ingest.refused.copy(),
            refused_callers=self.gate.refused.copy(),
            limited_requests=self.callers.refused,
            connections={kind: self.connections.count(kind) for kind in KINDS},
            connections_cut={reason: self.connections.cut[reason] for reason in WORDS},
            listeners=len(self.stream.listeners),
            listeners_cut_off=self.stream.cut_off,
            loop_ages_s=watchdog.ages_s(),
            skipped=watchdog.skipped.copy(),
            failing=watchdog.failing(),
            stalled=tuple(watchdog.stalled()),
        )

    def close(self) -> None:
        """Let go of the store and the keys."""
        self.ingest.close()
        self.store.close()
        self.access.close()
        self.stamp_keyring.close()


def open_state(
    network: Network, directory: pathlib.Path, settings: Settings, clock: Clock
) -> ControllerState:
    """Open the store, number the plans and rebuild the memory of the judged period.

    Where there is no room for plans of a changed network, the state is that of the network before,
    which says so in its warnings. Raises ConfigError or ResourceError where the data directory is
    not to be had.
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
        assemble = functools.partial(
            _assemble,
            store=store,
            access=access,
            stamp_keyring=stamp_keyring,
            authority=authority,
            settings=settings,
            clock=clock,
        )
        try:
            state = assemble(network)
            keep_sites(directory, network)
        except StoreFullError as error:
            before = last_network(directory, error.text)
            if before is None:
                raise
            state = assemble(before)
        opened_so_far.pop_all()
        return state


def _assemble(
    network: Network,
    store: Store,
    access: CredentialStore,
    stamp_keyring: StampKeyring,
    authority: Authority | None,
    settings: Settings,
    clock: Clock,
) -> ControllerState:
    now_ns = clock.wall_ns()
    permanent = plan_streams(network)
    campaigns = CampaignRegistry(store.campaigns.records())
    streams = campaigns.united(network, permanent, campaigns.running(now_ns))
    demands = make_demands(network, permanent)
    before = last_plans(store)
    plans = plans_of(network, streams, settings.window_ms, store, now_ns)
    with _done_without_room():
        store.streams.put(stream_records(streams)).result()
    documents = [(name, msgspec.json.encode(site)) for name, site in network.sites.items()]
    with _done_without_room():
        store.sites.put(documents, now_ns).result()
    with _done_without_room():
        access.audit(actor="controller", action="start", subject=network.name, detail=VERSION)
    duplicates = DuplicateAgents(store.duplicates, clock)
    fleet = Fleet(plans, store.windows.agent_totals(), clock)
    recorded = store.streams.all()
    scope = scope_of(
        network,
        streams,
        demands,
        permanent=permanent,
        planned_ns=campaigns.planned_ns(streams, len(permanent)),
        recorded=recorded,
        window_ns=settings.window_ms * 1_000_000,
    )
    memory = RecentWindows(scope.stream_ids, settings.judge_period_ns)
    comparator = BaselineComparator(demands, permanent)
    comparator.use(store.baselines.all())
    maintenance = MaintenanceSchedule(store.event_log.maintenance(), scope.path_index)
    silences = SilenceRegistry(store.silences.records(), scope.stream_index)
    asked = newly_requested(before, plans)
    with _done_without_room():
        store.silences.put(silences.requested_again(asked, plans, now_ns)).result()

    def excluded() -> Exclusions:
        return Exclusions(maintenance.now, silences.now)

    take = taking(memory, excluded, comparator, clock)
    remember(store, memory, comparator, excluded(), take, now_ns)
    known = store.event_log.states()
    watchdog = Watchdog(clock)
    watchdog.expect(JUDGING, JUDGED_ROUNDS * settings.judge_every_s + JUDGED_GRACE_S)
    stream = EventStream()
    bus = EventBus()
    Recorder(store.event_log, bus)
    stream.follow(bus)
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
        recorded,
        take,
        settings.retention,
        duplicates.is_duplicate,
        settings.window_ms * 1_000_000,
    )
    channels = Channels(clock)
    distribution = PlanDistribution(
        network,
        plans,
        window_ms=settings.window_ms,
        store=store,
        channels=channels,
        stamp_keyring=stamp_keyring,
        authority=authority,
        clock=clock,
    )
    state = ControllerState(
        settings=settings,
        clock=clock,
        started_ns=now_ns,
        campaigns=campaigns,
        distribution=distribution,
        replanner=Replanner(
            distribution=distribution,
            rounds=rounds,
            ingest=ingest,
            maintenance=maintenance,
            silences=silences,
            store=store,
            clock=clock,
        ),
        store=store,
        access=access,
        stamp_keyring=stamp_keyring,
        gate=Gate(access),
        authority=authority,
        fleet=fleet,
        maintenance=maintenance,
        silences=silences,
        channels=channels,
        duplicates=duplicates,
        callers=Buckets(clock, settings.requests_per_s, settings.request_burst),
        rounds=rounds,
        bus=bus,
        matrices=Matrices(clock),
        stream=stream,
        watchdog=watchdog,
        store_watch=StoreWatch(store, clock),
        trust=ClockTrust(clock, fleet, settings.retention, store.windows.oldest_ns),
        ingest=ingest,
    )
    follow(state)
    return state


def follow(state: ControllerState) -> None:
    """Let the matrices follow the rounds, and campaigns begin, end and be reported."""

    async def publish() -> None:
        state.latest = state.snapshot()
        await state.matrices.renew(state.latest)

    state.rounds.followers = {"matrix": publish}
    state.scheduler = CampaignScheduler(
        state.campaigns,
        state.store.campaigns,
        fleet=state.fleet,
        trust=state.trust,
        bus=state.bus,
        clock=state.clock,
        scope=lambda: state.rounds.scope,
        replan=state.replanner.renew,
    )
    state.reporting = Reporting(state.campaigns, state.store, state.snapshot, state.watchdog)


@contextlib.contextmanager
def _done_without_room() -> Iterator[None]:
    """Let a start go on where nothing can be written: what is there is served all the same."""
    try:
        yield
    except DamagedStoreError:
        raise
    except ResourceError as error:
        logger.error("the start goes on, and something is not kept: %s", error)


STATE: web.AppKey[ControllerState] = web.AppKey("state", ControllerState)
