"""Every campaign ends in a report: made once the last windows are in, and kept in the store."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import msgspec

from controller.campaigns.notes import notes_of
from controller.campaigns.request import CampaignOutcome, CampaignResult
from controller.reports.page import render_report
from controller.reports.past import report_of
from controller.reports.report import Report
from controller.state import ControllerState
from controller.store.campaigns import CampaignRecord
from messages.frame import seal

logger = logging.getLogger("isochrone.controller")

LOOP = "reports"
LONGEST_ROUND_S = 3600.0  # a report of days of a large network takes its time
LOOK_EVERY_S = 1.0
DELIVERY_NS = 3_000_000_000  # from the end of a window's last probe to its commit, usually


async def keep_reporting(state: ControllerState) -> None:
    """Report what is due until cancelled."""
    state.watchdog.expect(LOOP, LONGEST_ROUND_S)
    while True:
        with state.watchdog.part(LOOP, "look"):
            for record in due(state):
                try:
                    await report(state, record)
                except Exception:  # another campaign's report must not wait for this one
                    logger.exception("campaign %s could not be reported", record.name)
                    state.watchdog.skipped[LOOP] += 1
                    state.campaigns.unreportable.add(record.id)
        state.watchdog.rounded(LOOP)
        await asyncio.sleep(LOOK_EVERY_S)


def due(state: ControllerState) -> list[CampaignRecord]:
    """Return the campaigns that are over and whose last windows should be in by now."""
    now_ns = state.clock.wall_ns()
    return [
        record
        for record in state.campaigns.records.values()
        if record.ended_ns is not None
        and record.begun_ns is not None
        and record.reported_ns is None
        and record.id not in state.campaigns.unreportable
        and now_ns >= min(record.ended_ns, record.to_ns) + patience_ns(state, record)
    ]


def patience_ns(state: ControllerState, record: CampaignRecord) -> int:
    """Return how long after its end a campaign's windows are waited for.

    A window ends, the outcome of its probes is known, and it is delivered.
    """
    streams = state.campaigns.streams_of(state.network, record)
    timeout_ms = max((stream.timeout_ms for stream in streams), default=0.0)
    return round((state.settings.window_ms + timeout_ms) * 1e6) + DELIVERY_NS


async def report(state: ControllerState, record: CampaignRecord) -> None:
    """Make the report of a campaign and keep it."""
    found = await report_of(state, record)
    there = len(state.campaigns.streams_of(state.network, record))
    found = replace(found, warnings=(*notes_of(record, there), *found.warnings))
    page = await asyncio.to_thread(lambda: seal(render_report(found).encode()))
    async with state.campaigns.changing:
        store = state.store.campaigns
        await asyncio.wrap_future(store.put_report(record.id, page))
        reported = replace(
            state.campaigns.records[record.name],
            reported_ns=state.clock.wall_ns(),
            results=msgspec.json.encode(
                CampaignOutcome(results=results_of(found), account=found.account)
            ),
        )
        await asyncio.wrap_future(store.change(reported))
        state.campaigns.put(reported)
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
