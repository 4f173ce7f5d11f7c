"""A campaign as it is requested, as it runs, and as it ended."""

from dataclasses import replace

import msgspec
import pytest

from controller.api.services import Services
from controller.campaigns.request import CampaignRequest
from controller.documents.campaigns import campaign_document, no_report
from controller.live.snapshot import Snapshot
from controller.store.records import CampaignRecord
from messages.exchange import Curtailed, CurtailedStream
from tests.controller.campaigns.campaign_calls import asked
from tests.controller.documents.conftest import SECOND


def record(now: Snapshot) -> CampaignRecord:
    request = msgspec.convert(asked("voice"), CampaignRequest)
    return CampaignRecord(
        id=7,
        name="voice",
        request=msgspec.json.encode(request),
        from_ns=now.at_ns - 60 * SECOND,
        to_ns=now.at_ns + 60 * SECOND,
        created_ns=now.at_ns - 90 * SECOND,
        created_by="owner uid 0",
        streams=3,
    )


async def test_what_has_not_begun_has_been_curtailed_by_nobody_yet(now: Snapshot) -> None:
    found = campaign_document(now, record(now))
    assert (found.state, found.streams, found.mesh[0].name) == ("scheduled", 3, "pair")
    assert (found.refused, found.throttled, found.reporting, found.account) == (None,) * 4


async def test_what_runs_tells_which_of_its_streams_report_and_which_are_refused(
    now: Snapshot, services: Services
) -> None:
    running = replace(record(now), begun_ns=now.at_ns - 30 * SECOND)
    reporting, refused = now.scope.streams[0], now.scope.streams[1]
    told = CurtailedStream(
        stream_id=refused.stream_id, rule="policy.probes", action="refused", interval_ms=None
    )
    services.fleet.curtailed("nanjing", Curtailed(plan_version=1, streams=(told,)))
    then = replace(services.readings.snapshots.now(), campaign_streams={7: (reporting, refused)})
    found = campaign_document(then, running)
    assert (found.state, found.reporting, found.refused, found.throttled) == ("running", 1, 1, 0)
    assert found.missed_ns == 30 * SECOND


async def test_what_is_over_keeps_what_was_curtailed_when_it_ended(now: Snapshot) -> None:
    ended = replace(
        record(now), begun_ns=now.at_ns - 60 * SECOND, ended_ns=now.at_ns, refused=2, throttled=1
    )
    found = campaign_document(now, ended)
    assert (found.state, found.refused, found.throttled, found.reporting) == ("ended", 2, 1, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ended_ns": 5, "ended_by": "token x"}, "never began"),
        ({"begun_ns": 1, "ended_ns": 5, "reported_ns": 9}, "is not kept any more"),
        ({"begun_ns": 1, "ended_ns": 5}, "has no report yet"),
    ],
)
async def test_why_there_is_no_report_is_told(
    now: Snapshot, changes: dict[str, object], said: str
) -> None:
    assert said in no_report(now, with_changes(record(now), changes)).en


async def test_a_report_that_could_not_be_made_is_told_as_such(now: Snapshot) -> None:
    over = replace(record(now), begun_ns=1, ended_ns=5)
    assert "could not be made" in no_report(replace(now, unreportable=frozenset({7})), over).en


def with_changes(of: CampaignRecord, changes: dict[str, object]) -> CampaignRecord:
    return replace(of, **changes)  # type: ignore[arg-type]  # fields of several types
