"""What routes use: readings for what they answer, services for what they are told to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from controller.access.certificate_authority import Authority
from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.api.event_stream import EventStream
from controller.api.gate import Gate
from controller.api.limits import RunningByCaller
from controller.api.server.connections import Connections
from controller.campaigns.registry import CampaignRegistry
from controller.campaigns.scheduler import CampaignScheduler
from controller.documents.matrix import Matrices
from controller.events.bus import EventBus
from controller.fleet.agents import Fleet
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silence_registry import SilenceRegistry
from controller.ingest.ingest import Ingest
from controller.live.archive import Archive
from controller.live.rounds import Rounds
from controller.live.snapshot import Snapshot, Snapshots
from controller.plans.channels import Channels, DuplicateAgents
from controller.plans.distribution import PlanDistribution
from controller.reports.answers import AccountReader
from controller.reports.reporting import Reporting
from controller.store.interface import Store, StoreState
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.token_buckets import Buckets

Exposition: TypeAlias = Callable[[Snapshot, StoreState, str], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What every document is made from; nothing can be changed through it.

    `snapshots` hand out how everything is, `archive` reads what was. What takes long to make of
    them is made once for all who ask: `accounts`, `matrices`. `exposition` gives a snapshot as
    metrics; `exports` counts those that are being sent.
    """

    snapshots: Snapshots
    archive: Archive
    accounts: AccountReader
    matrices: Matrices
    exposition: Exposition
    exports: RunningByCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a running controller is made of; wired in `controller.serving.assembly`.

    Each owns what it knows, and does what it is told; what it knows is read in a snapshot.
    """

    readings: Readings
    clock: Clock
    store: Store
    bus: EventBus
    # who may do what
    access: CredentialStore
    stamp_keyring: StampKeyring
    authority: Authority | None
    gate: Gate
    # the fleet, and what it measures
    fleet: Fleet
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry
    duplicates: DuplicateAgents
    channels: Channels
    distribution: PlanDistribution
    ingest: Ingest
    rounds: Rounds
    # campaigns and reports
    campaigns: CampaignRegistry
    scheduler: CampaignScheduler
    reporting: Reporting
    # whether all of it works
    watchdog: Watchdog
    trust: ClockTrust
    store_watch: StoreWatch
    # callers of the API
    callers: Buckets
    connections: Connections
    stream: EventStream

    def close(self) -> None:
        """Let go of the store and the keys."""
        self.ingest.close()
        self.store.close()
        self.access.close()
        self.stamp_keyring.close()


READINGS: web.AppKey[Readings] = web.AppKey("readings", Readings)
SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)  # that are open
