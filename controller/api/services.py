"""The services that routes ask: each owns what it knows, and `snapshots` tells how all of it is."""

from __future__ import annotations

from dataclasses import dataclass

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
from controller.live.rounds import Rounds
from controller.live.snapshot import Snapshots
from controller.plans.channels import Channels, DuplicateAgents
from controller.plans.distribution import PlanDistribution
from controller.reports.answers import AccountReader
from controller.reports.reporting import Reporting
from controller.settings import Settings
from controller.store.interface import Store
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.store_watch import StoreWatch
from controller.supervision.watchdog import Watchdog
from foundation.clock import Clock
from foundation.token_buckets import Buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a running controller is made of; wired in `controller.serving.assembly`."""

    settings: Settings
    clock: Clock
    store: Store
    snapshots: Snapshots
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
    accounts: AccountReader
    # whether all of it works
    watchdog: Watchdog
    trust: ClockTrust
    store_watch: StoreWatch
    # callers of the API
    callers: Buckets
    connections: Connections
    exports: RunningByCaller
    matrices: Matrices
    stream: EventStream

    def close(self) -> None:
        """Let go of the store and the keys."""
        self.ingest.close()
        self.store.close()
        self.access.close()
        self.stamp_keyring.close()


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)  # that are open
