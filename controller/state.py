"""Everything a running controller knows, put together once at start and handed to the routes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import logging
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from controller.access.authority import Authority, authority_exists, load_authority
from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.access.tables import FILE_NAME as KEYS_NAME
from controller.access.tables import KEYS_DIRECTORY
from controller.api.gate import Gate
from controller.api.limits import Buckets
from controller.api.server.connections import Connections
from controller.campaigns.registry import CampaignRegistry
from controller.documents.matrix import Matrices
from controller.fleet.agents import Fleet
from controller.fleet.exclusions import Exclusions
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silences import SilenceRegistry, newly_requested
from controller.ingest.ingest import Ingest
from controller.live.accounts import Tally
from controller.live.catalogue import Catalogue, catalogue_of
from controller.live.current_states import StateInputs
from controller.live.groups import Group, groups_of
from controller.live.improvements import BaselineComparator
from controller.live.memory import RecentWindows
from controller.live.rounds import JUDGING, Rounds
from controller.live.verdicts import LiveVerdicts
from controller.live.warm_start import remember
from controller.plans.channels import Channels
from controller.plans.duplicate_agents import DuplicateAgents
from controller.plans.keys import owners
from controller.plans.last_sites import keep_sites, last_network
from controller.plans.planner import last_plans, make_plans, numbered, stream_records
from controller.store.interface import Store, StoreFullError
from controller.store.levels import KEPT, Retention
from controller.store.reading import DamagedStoreError, reporting_damage
from controller.store.sqlite.engine import FILE_NAME, SqliteStore
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.errors import ResourceError
from messages.exchange import Plan
from probes.window import WindowBatch
from topology.mesh import plan_streams
from topology.model import Demand, PlannedStream
from topology.network import Network
from topology.reference_paths import ipv4_alone
from topology.selection import path_table
from topology.targets import demands as make_demands

logger = logging.getLogger("isochrone.controller")

JUDGED_ROUNDS = 3
JUDGED_GRACE_S = 60.0  # a round of a large network takes its time
VERSION = importlib.metadata.version("isochrone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the controller was asked to work."""

    judge_period_ns: int = 900_000_000_000
    judge_every_s: float = 5.0
    requests_per_s: float = 100.0  # of one caller, lasting
    request_burst: int = 400
    metrics_paths: int = 1_000  # paths with Prometheus metrics of their own
    window_ms: int = 10_000
    retention: Retention = KEPT


@dataclass(slots=True, kw_only=True)
class ControllerState:
    """The network, what is planned and demanded on it, what was measured, and the verdicts.

    `permanent` are the streams of the site file's meshes, `streams` those that are planned now: the
    permanent ones first and in the same places, then what campaigns add (`plans.replanning`).
    """

    settings: Settings
    clock: Clock
    started_ns: int
    network: Network
    permanent: tuple[PlannedStream, ...]
    streams: tuple[PlannedStream, ...]
    campaigns: CampaignRegistry
    demands: tuple[Demand, ...]
    plans: dict[str, Plan]
    owners: dict[str, str]  # agents by address
    catalogue: Catalogue
    groups: tuple[Group, ...]
    ipv4_alone: dict[str, int]
    store: Store
    access: CredentialStore
    stamp_keyring: StampKeyring
    gate: Gate
    authority: Authority | None
    fleet: Fleet
    memory: RecentWindows
    live: LiveVerdicts
    rounds: Rounds
    watchdog: Watchdog
    trust: ClockTrust
    store_watch: StoreWatch
    callers: Buckets
    connections: Connections = field(default_factory=Connections)
    ingest: Ingest
    exports: Counter[str] = field(default_factory=Counter)  # that run now, by caller
    tally: Tally | None = None  # of a period that is over; tallied_ns: from when until when
    tallied_ns: tuple[int, int] | None = None
    tallying: asyncio.Lock = field(default_factory=asyncio.Lock)
    matrices: Matrices = field(default_factory=Matrices)
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    channels: Channels
    duplicates: DuplicateAgents
    renumberings: Buckets  # of plans, by agent
    planning: asyncio.Lock = field(default_factory=asyncio.Lock)  # of plans and their versions

    @property
    def silences(self) -> SilenceRegistry:
        """Which streams are silent, and by whose will."""
        return self.rounds.state_inputs.silences

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
        store = SqliteStore(directory, retention=settings.retention)
        opened_so_far.callback(store.close)
        opened_so_far.enter_context(reporting_damage(directory / FILE_NAME))
        with reporting_damage(directory / KEYS_DIRECTORY / KEYS_NAME):
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
    plans = plans_of(network, streams, settings, store, now_ns)
    with _done_without_room():
        store.put_streams(stream_records(streams)).result()
    documents = [(name, msgspec.json.encode(site)) for name, site in network.sites.items()]
    with _done_without_room():
        store.put_sites(documents, now_ns).result()
    with _done_without_room():
        access.audit(actor="controller", action="start", subject=network.name, detail=VERSION)
    duplicates = DuplicateAgents(store.duplicates, clock)
    fleet = Fleet(plans, store.agent_totals(), clock)
    memory = RecentWindows([stream.stream_id for stream in streams], settings.judge_period_ns)
    book = BaselineComparator(demands, permanent)
    book.use(store.baselines())

    recorded = store.streams()
    catalogue = catalogue_of(network, streams, demands, recorded)
    maintenance = MaintenanceSchedule(
        store.event_log.maintenance(), catalogue.paths, catalogue.stream_path
    )

    silences = SilenceRegistry(store.silences.records(), streams)
    asked = newly_requested(before, plans)
    with _done_without_room():
        store.silences.put(silences.requested_again(asked, plans, now_ns)).result()
    excluded = Exclusions(maintenance, silences)

    take = taking(memory, excluded, book, clock)
    remember(store, memory, book, excluded, take, now_ns)
    known = store.event_log.states()
    live = LiveVerdicts(
        network,
        streams,
        demands,
        known,
        now_ns,
        book,
        len(permanent),
        clock=clock,
        window_ns=settings.window_ms * 1_000_000,
    )
    state_inputs = StateInputs(
        catalogue=catalogue,
        planned_ns=campaigns.planned_ns(streams, len(permanent)),
        fleet=fleet,
        maintenance=maintenance,
        silences=silences,
        window_ns=settings.window_ms * 1_000_000,
    )
    watchdog = Watchdog(clock)
    watchdog.expect(JUDGING, JUDGED_ROUNDS * settings.judge_every_s + JUDGED_GRACE_S)
    state = ControllerState(
        settings=settings,
        clock=clock,
        started_ns=now_ns,
        network=network,
        permanent=permanent,
        streams=streams,
        campaigns=campaigns,
        demands=demands,
        plans=plans,
        catalogue=catalogue,
        groups=groups_of(network.targets, catalogue),
        ipv4_alone=ipv4_alone(network, path_table(network, permanent)),
        store=store,
        access=access,
        stamp_keyring=stamp_keyring,
        owners=owners(network),
        gate=Gate(access),
        authority=authority,
        fleet=fleet,
        memory=memory,
        live=live,
        channels=Channels(clock),
        duplicates=duplicates,
        renumberings=Buckets(clock, rate=1 / 600, burst=3),
        callers=Buckets(clock, settings.requests_per_s, settings.request_burst),
        rounds=Rounds(state_inputs, live, memory, streams, store, known, clock, watchdog),
        watchdog=watchdog,
        store_watch=StoreWatch(store, clock),
        trust=ClockTrust(clock, fleet, settings.retention, store.oldest_ns),
        ingest=Ingest(
            store,
            fleet,
            clock,
            recorded,
            take,
            settings.retention,
            duplicates.is_duplicate,
            settings.window_ms * 1_000_000,
        ),
    )
    state.rounds.before_announcing = functools.partial(state.matrices.renew, state)
    return state


@contextlib.contextmanager
def _done_without_room() -> Iterator[None]:
    """Let a start go on where nothing can be written: what is there is served all the same."""
    try:
        yield
    except DamagedStoreError:
        raise
    except ResourceError as error:
        logger.error("the start goes on, and something is not kept: %s", error)


def plans_of(
    network: Network,
    streams: tuple[PlannedStream, ...],
    settings: Settings,
    store: Store,
    now_ns: int,
) -> dict[str, Plan]:
    """Return every agent's plan with its version, committed. Blocks."""
    return numbered(make_plans(network, streams, settings.window_ms), store, now_ns)


def taking(
    memory: RecentWindows, excluded: Exclusions, book: BaselineComparator, clock: Clock
) -> Callable[[WindowBatch], None]:
    """Return what is done with every batch that is new in the store."""

    def take(batch: WindowBatch) -> None:
        not_judged = excluded.of(batch)
        # Of a backlog only what is still judged goes into memory.
        if batch.start_ns >= memory.horizon_ns(clock.wall_ns()):
            memory.add(batch, not_judged)
        book.add(batch, not_judged)

    return take


STATE: web.AppKey[ControllerState] = web.AppKey("state", ControllerState)
