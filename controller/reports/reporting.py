"""Every campaign ends in a report: made once the last windows are in, and kept in the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec

from controller.campaigns.registry import CampaignRegistry, notes_of
from controller.campaigns.request import CampaignOutcome, CampaignResult
from controller.live.snapshot import Snapshot
from controller.reports.page import render_report
from controller.reports.past import report_of
from controller.reports.report import Report
from controller.store.interface import Store
from controller.store.records import CampaignRecord
from controller.supervision.watchdog import Watchdog
from messages.frame import seal

logger = logging.getLogger("isochrone.controller")

LOOP = "reports"
LONGEST_ROUND_S = 3600.0  # a report of days of a large network takes its time
LOOK_EVERY_S = 1.0
DELIVERY_NS = 3_000_000_000  # from the end of a window's last probe to its commit, usually


class Reporting:
    """Makes the reports that are due."""

    def __init__(
        self,
        registry: CampaignRegistry,
        store: Store,
        snapshots: Callable[[], Snapshot],
        watchdog: Watchdog,
    ) -> None:
        self._registry, self._store = registry, store
        self._snapshots, self._watchdog = snapshots, watchdog

    async def run(self) -> None:
        """Report what is due until cancelled."""
        self._watchdog.expect(LOOP, LONGEST_ROUND_S)
        while True:
            with self._watchdog.part(LOOP, "look"):
                await self._look()
            self._watchdog.rounded(LOOP)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        for record in self.due():
            try:
                await self.report(record)
            except Exception:  # another campaign's report must not wait for this one
                logger.exception("campaign %s could not be reported", record.name)
                self._watchdog.skipped[LOOP] += 1
                self._registry.unreportable.add(record.id)

    def due(self) -> list[CampaignRecord]:
        """Return the campaigns that are over and whose last windows should be in by now."""
        waiting = [
            record
            for record in self._registry.records.values()
            if record.ended_ns is not None
            and record.begun_ns is not None
            and record.reported_ns is None
            and record.id not in self._registry.unreportable
        ]
        if not waiting:
            return []
        now = self._snapshots()
        return [
            record
            for record in waiting
            if now.at_ns >= min(record.ended_ns or 0, record.to_ns) + self.patience_ns(record)
        ]

    def patience_ns(self, record: CampaignRecord) -> int:
        """Return how long after its end a campaign's windows are waited for.

        A window ends, the outcome of its probes is known, and it is delivered.
        """
        scope = self._snapshots().scope
        streams = self._registry.streams_of(scope.network, record)
        timeout_ms = max((stream.timeout_ms for stream in streams), default=0.0)
        return scope.window_ns + round(timeout_ms * 1e6) + DELIVERY_NS

    async def report(self, record: CampaignRecord) -> None:
        """Make the report of a campaign and keep it."""
        now = self._snapshots()
        streams = self._registry.streams_of(now.scope.network, record)
        found = await report_of(now, self._store, record, streams)
        found = replace(found, warnings=(*notes_of(record, len(streams)), *found.warnings))
        page = await asyncio.to_thread(lambda: seal(render_report(found).encode()))
        async with self._registry.changing:
            store = self._store.campaigns
            await asyncio.wrap_future(store.put_report(record.id, page))
            reported = replace(
                self._registry.records[record.name],
                reported_ns=self._snapshots().at_ns,
                results=msgspec.json.encode(
                    CampaignOutcome(results=results_of(found), account=found.account)
                ),
            )
            await asyncio.wrap_future(store.change(reported))
            self._registry.put(reported)
        logger.info("campaign %s is reported", record.name)


def results_of(found: Report) -> list[CampaignResult]:
    """Return what a report says of each of its targets."""
    return [
        CampaignResult(
            target=indicator.target.name,
            title=indicator.title,
            verdict=indicator.verdict,
            counts={verdict: count for verdict, count in indicator.counts.items() if count},
        )
        for indicator in found.indicators
    ]
