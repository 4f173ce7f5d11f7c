"""What a controller plans as it starts: numbered, stored, and silent until agents confirm it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from controller.access.certificate_authority import Authority
from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.campaigns.registry import CampaignRegistry
from controller.fleet.maintenance import MaintenanceSchedule
from controller.fleet.silence_registry import SilenceRegistry, newly_requested
from controller.live.scope import Scope, scope_of
from controller.plans.distribution import plans_of
from controller.plans.planner import last_plans, stream_records
from controller.settings import VERSION, Settings
from controller.store.interface import DamagedStoreError, Store
from controller.store.records import StreamRecord
from foundation.clock import Clock
from foundation.errors import ResourceError
from messages.exchange import Plan
from topology.mesh import plan_streams
from topology.network import Network
from topology.targets import demands as make_demands

logger = logging.getLogger("isochrone.controller")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
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
class FirstPlan:
    """What is planned from the start; `recorded` are all streams that ever were."""

    scope: Scope
    plans: Mapping[str, Plan]
    recorded: list[StreamRecord]
    campaigns: CampaignRegistry
    maintenance: MaintenanceSchedule
    silences: SilenceRegistry


def first_plan(network: Network, opened: Opened, now_ns: int) -> FirstPlan:
    """Plan a network and the campaigns that run in it. Raises StoreFullError.

    Where nothing else can be written the start continues.
    """
    store, permanent = opened.store, plan_streams(network)
    campaigns = CampaignRegistry(store.campaigns.records())
    streams = campaigns.plan_with(network, permanent, campaigns.running(now_ns))
    before = last_plans(store)
    plans = plans_of(network, streams, opened.settings.window_ms, store, now_ns)
    with _done_without_room():
        store.streams.put(stream_records(streams)).result()
    _note_start(network, opened, now_ns)
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
    return FirstPlan(
        scope=scope,
        plans=plans,
        recorded=recorded,
        campaigns=campaigns,
        maintenance=MaintenanceSchedule(store.event_log.maintenance(), scope.path_index),
        silences=silences,
    )


def _note_start(network: Network, opened: Opened, now_ns: int) -> None:
    """Keep a copy of the sites for inspection, and a line in the audit log."""
    documents = [(name, msgspec.json.encode(site)) for name, site in network.sites.items()]
    with _done_without_room():
        opened.store.sites.put(documents, now_ns).result()
    with _done_without_room():
        opened.access.audit(
            actor="controller", action="start", subject=network.name, detail=VERSION
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
