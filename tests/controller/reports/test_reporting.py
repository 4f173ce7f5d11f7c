"""Reports are made once the last windows are in, each once, and one that fails stops no other."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from controller.campaigns.request import CampaignOutcome
from controller.reports.reporting import DELIVERY_NS, LOOP
from controller.store.records import CampaignRecord
from messages.frame import unseal
from tests.controller.campaigns.campaign_calls import SECOND_NS
from tests.controller.conftest import Controller, SetClock
from tests.controller.reports.conftest import SENT, Measure


async def test_one_is_due_when_its_last_windows_should_have_come_and_until_it_is_reported(
    controller: Controller, clock: SetClock, measure: Measure
) -> None:
    record = await measure()
    services = controller.services
    reporting, scope = services.reporting, services.rounds.scope
    (stream,) = services.campaigns.streams_of(scope.network, record)
    patience_ns = reporting.patience_ns(record)
    assert patience_ns == scope.window_ns + round(stream.timeout_ms * 1e6) + DELIVERY_NS
    clock.now_ns = record.to_ns + patience_ns - 1
    assert reporting.due() == []
    clock.now_ns += 1
    assert reporting.due() == [record]
    await reporting.report(record)
    assert reporting.due() == []


async def test_the_windows_of_one_that_was_ended_early_are_waited_for_from_then(
    controller: Controller, clock: SetClock, measure: Measure
) -> None:
    record = await measure()
    ended = replace(record, ended_ns=record.from_ns + 30 * SECOND_NS, ended_by="owner")
    controller.services.campaigns.put(ended)
    clock.now_ns = record.from_ns + 30 * SECOND_NS
    assert controller.services.reporting.due() == []
    clock.now_ns += controller.services.reporting.patience_ns(ended)
    assert controller.services.reporting.due() == [ended]


@pytest.mark.parametrize("never", [{"begun_ns": None}, {"ended_ns": None}, {"reported_ns": 1}])
async def test_what_never_ran_runs_yet_or_has_its_report_is_not_due(
    controller: Controller, clock: SetClock, measure: Measure, never: dict[str, int | None]
) -> None:
    record = await measure()
    clock.now_ns += 3600 * SECOND_NS
    assert controller.services.reporting.due() == [record]
    controller.services.campaigns.put(replace(record, **never))
    assert controller.services.reporting.due() == []


async def test_the_page_its_results_and_its_account_are_kept(
    controller: Controller, clock: SetClock, measure: Measure
) -> None:
    services = controller.services
    record = replace(await measure(targets=["jiangsu-circle-5"]), refused=1)
    clock.now_ns += 60 * SECOND_NS
    await services.reporting.report(record)
    (kept,) = services.store.campaigns.records()
    assert kept == services.campaigns.records["voice"]
    assert kept.reported_ns == clock.now_ns
    assert kept.results is not None
    outcome = msgspec.json.decode(kept.results, type=CampaignOutcome)
    assert [(one.target, one.verdict, one.counts) for one in outcome.results] == [
        ("jiangsu-circle-5", "pass", {"pass": 1})
    ]
    assert outcome.account is not None
    assert outcome.account.judged == 6 * SENT
    sealed = services.store.campaigns.report(record.id)
    assert sealed is not None
    page = unseal(sealed, 1 << 24).decode()
    assert "语音" in page
    assert "refused 1 and slowed 0" in page  # what was not as asked is written there


async def test_one_that_cannot_be_reported_is_told_once_and_stops_no_other(
    controller: Controller, clock: SetClock, measure: Measure
) -> None:
    services = controller.services
    broken, sound = await measure("broken"), await measure("sound")
    services.campaigns.put(replace(broken, request=b"{"))
    clock.now_ns += 3600 * SECOND_NS

    def reported(name: str) -> CampaignRecord | None:
        return record if (record := services.campaigns.records[name]).reported_ns else None

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(services.reporting.run(), name="reporting")
        while reported("sound") is None:  # noqa: ASYNC110 (what it waits for has no event)
            await asyncio.sleep(0.01)
        running.cancel()
    assert reported("broken") is None
    assert services.store.campaigns.report(broken.id) is None
    assert services.store.campaigns.report(sound.id) is not None
    assert services.campaigns.unreportable == {broken.id}
    assert services.watchdog.skipped[LOOP] == 1
    assert services.reporting.due() == []
