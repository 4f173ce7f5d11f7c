"""A campaign judged when it is over: its own streams, its own targets, its own period."""

from dataclasses import replace

from controller.reports.past import report_of
from controller.reports.report import Report
from controller.store.records import CampaignRecord
from tests.controller.campaigns.campaign_calls import SECOND_NS
from tests.controller.conftest import Controller
from tests.controller.reports.conftest import FAST_NS, SENT, Measure

CIRCLE = "jiangsu-circle-5"


async def report(controller: Controller, record: CampaignRecord) -> Report:
    services = controller.services
    now = services.readings.snapshots.now()
    streams = services.campaigns.streams_of(now.scope.network, record)
    return await report_of(now, services.store, record, streams)


async def test_what_was_measured_before_and_after_it_counts_for_nothing(
    controller: Controller, measure: Measure
) -> None:
    record = await measure(targets=[CIRCLE])
    found = await report(controller, record)
    assert (found.started_ns, found.ended_ns) == (record.begun_ns, record.to_ns)
    assert (found.data_from_ns, found.data_to_ns) == (record.begun_ns, record.to_ns)
    assert (found.sent, found.lost) == (6 * SENT, 0)
    (circle,) = found.indicators
    assert circle.verdict == "pass"
    assert circle.worst is not None
    assert circle.worst.measured is not None
    assert circle.worst.measured <= FAST_NS
    assert found.controller == controller.services.rounds.scope.network.name


async def test_one_that_was_ended_early_is_judged_as_of_then(
    controller: Controller, measure: Measure
) -> None:
    record = await measure(targets=[CIRCLE])
    ended_ns = record.from_ns + 30 * SECOND_NS
    found = await report(controller, replace(record, ended_ns=ended_ns, ended_by="owner"))
    assert found.ended_ns == ended_ns
    assert found.sent == 3 * SENT
    assert found.account is not None
    assert (found.account.from_ns, found.account.to_ns) == (record.from_ns, ended_ns)
    assert (found.account.due, found.account.judged) == (3 * SENT, 3 * SENT)


async def test_one_that_was_ended_late_has_no_more_than_was_asked_for(
    controller: Controller, measure: Measure
) -> None:
    record = await measure(targets=[CIRCLE])
    found = await report(controller, replace(record, ended_ns=record.to_ns + 10 * SECOND_NS))
    assert (found.ended_ns, found.sent) == (record.to_ns, 6 * SENT)


async def test_what_was_not_begun_in_time_is_missing_from_the_account(
    controller: Controller, measure: Measure
) -> None:
    record = await measure(targets=[CIRCLE])
    found = await report(controller, replace(record, begun_ns=record.from_ns + 20 * SECOND_NS))
    assert found.started_ns == record.from_ns + 20 * SECOND_NS
    assert found.account is not None
    assert found.account.due == 6 * SENT
    assert found.account.judged == 4 * SENT


async def test_its_paths_are_those_of_its_own_streams(
    controller: Controller, measure: Measure
) -> None:
    found = await report(controller, await measure())
    assert [path.id for path in found.paths] == ["nanjing.telecom.v4>suzhou.telecom.v4"]
    assert [(stream.protocol) for path in found.paths for stream in path.streams] == ["icmp"]


async def test_a_group_is_reported_where_the_report_is_on_all_of_its_targets(
    controller: Controller, measure: Measure
) -> None:
    whole = await report(controller, await measure())
    assert [group.name for group in whole.groups] == ["jiangsu-circles"]
    assert len(whole.indicators) > 1
    part = await report(controller, await measure("part", targets=[CIRCLE]))
    assert part.groups == ()
    assert [indicator.target.name for indicator in part.indicators] == [CIRCLE]
