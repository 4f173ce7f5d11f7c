"""Takes snapshots: asks every service how it is at this moment."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.event_stream import EventStream
from controller.api.gate import Gate
from controller.api.server.connections import KINDS, WORDS, Connections
from controller.campaigns.registry import CampaignRegistry
from controller.ingest.ingest import Ingest
from controller.live.rounds import Rounds
from controller.live.snapshot import Operation, Snapshot
from controller.plans.channels import DuplicateAgents
from controller.plans.distribution import PlanDistribution
from controller.settings import VERSION
from controller.supervision.clock_trust import ClockTrust
from controller.supervision.watchdog import Watchdog
from foundation.token_buckets import Buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReader:
    """Reads how the controller itself runs."""

    ingest: Ingest
    gate: Gate
    callers: Buckets
    connections: Connections
    stream: EventStream
    watchdog: Watchdog

    def read(self) -> Operation:
        """Return how the controller runs at this moment."""
        ingest, connections, watchdog = self.ingest, self.connections, self.watchdog
        return Operation(
            version=VERSION,
            chunks=ingest.chunks,
            results=ingest.results.copy(),
            duplicates=ingest.duplicates,
            bytes=ingest.bytes,
            refused=ingest.refused.copy(),
            refused_callers=self.gate.refused.copy(),
            limited_requests=self.callers.refused,
            connections={kind: connections.count(kind) for kind in KINDS},
            connections_cut={reason: connections.cut[reason] for reason in WORDS},
            listeners=len(self.stream.listeners),
            listeners_cut_off=self.stream.cut_off,
            loop_ages_s=watchdog.ages_s(),
            skipped=watchdog.skipped.copy(),
            failing=watchdog.failing(),
            stalled=tuple(watchdog.stalled()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaker:
    """Puts together how everything is; copies nothing that grows with the streams."""

    started_ns: int
    judge_period_ns: int
    rounds: Rounds
    distribution: PlanDistribution
    duplicates: DuplicateAgents
    campaigns: CampaignRegistry
    trust: ClockTrust
    operation: OperationReader

    def take(self) -> Snapshot:
        """Return how everything is at this moment."""
        now, live = self.rounds.state_inputs(), self.rounds.live
        return Snapshot(
            at_ns=now.at_ns,
            scope=now.scope,
            fleet=now.fleet,
            maintenance=now.maintenance,
            silences=now.silences,
            started_ns=self.started_ns,
            judge_period_ns=self.judge_period_ns,
            round=live.latest,
            logged=self.rounds.logged(),
            looked_ns=self.rounds.looked_ns,
            plans=self.distribution.plans,
            duplicates=self.duplicates.refused_last(),
            campaigns=self.campaigns.records,
            campaign_streams={
                record.id: self.campaigns.streams_of(now.scope.network, record)
                for record in self.campaigns.records.values()
                if record.state == "running"
            },
            unreportable=frozenset(self.campaigns.unreportable),
            baseline=live.improvements.baseline,
            baseline_fault=live.improvements.fault,
            steady=self.trust.steady(),
            operation=self.operation.read(),
        )
