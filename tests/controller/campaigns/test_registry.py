"""The campaigns that a controller knows, and what a person is told of one."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from controller.campaigns.registry import CampaignRegistry, missed_ns, notes_of, request_of
from controller.store.records import CampaignRecord
from tests.controller.campaigns.campaign_calls import asked

SECOND = 1_000_000_000
RECORD = CampaignRecord(
    id=1,
    name="voice",
    request=msgspec.json.encode(asked()),
    from_ns=100 * SECOND,
    to_ns=160 * SECOND,
    streams=2,
    created_ns=0,
    created_by="owner",
)


def record(**more: Any) -> CampaignRecord:
    return replace(RECORD, **more)


def test_one_that_runs_belongs_into_the_plan_until_its_end() -> None:
    registry = CampaignRegistry([record(begun_ns=100 * SECOND)])
    assert [one.name for one in registry.running(160 * SECOND - 1)] == ["voice"]
    assert registry.running(160 * SECOND) == []
    assert CampaignRegistry([RECORD]).running(120 * SECOND) == []


def test_the_next_edge_is_a_beginning_or_an_end_of_one_that_is_not_over() -> None:
    assert CampaignRegistry([]).edge_ns() is None
    assert CampaignRegistry([RECORD]).edge_ns() == RECORD.from_ns
    assert CampaignRegistry([record(begun_ns=RECORD.from_ns)]).edge_ns() == RECORD.to_ns
    over = record(begun_ns=RECORD.from_ns, ended_ns=RECORD.to_ns)
    assert CampaignRegistry([over]).edge_ns() is None


def test_periods_that_only_touch_do_not_overlap() -> None:
    registry = CampaignRegistry([RECORD])
    assert registry.overlapping(0, RECORD.from_ns) == []
    assert registry.overlapping(RECORD.to_ns, RECORD.to_ns + 1) == []
    assert registry.overlapping(RECORD.to_ns - 1, RECORD.to_ns) == [RECORD]


def test_what_changes_of_one_replaces_the_records_and_never_changes_them() -> None:
    registry = CampaignRegistry([RECORD])
    before = registry.records
    registry.put(record(begun_ns=RECORD.from_ns))
    assert before == {"voice": RECORD}
    assert registry.records["voice"].state == "running"


def test_its_request_is_as_it_was_asked() -> None:
    assert request_of(RECORD).mesh[0].pairs == (("nanjing", "suzhou"),)


@pytest.mark.parametrize(
    ("times", "missed_s"),
    [
        ({}, 0),
        ({"begun_ns": 100 * SECOND}, 0),
        ({"begun_ns": 112 * SECOND}, 12),
        ({"ended_ns": 130 * SECOND}, 30),
        ({"ended_ns": 170 * SECOND}, 60),
        ({"ended_ns": 50 * SECOND}, 0),
    ],
)
def test_how_much_of_its_beginning_was_missed(times: dict[str, int], missed_s: int) -> None:
    assert missed_ns(record(**times)) == missed_s * SECOND


def test_what_was_not_as_asked_is_told() -> None:
    def told(there: int = 2, **more: Any) -> str:
        return " ".join(text.en for text in notes_of(record(**more), there))

    assert told(begun_ns=100 * SECOND, ended_ns=160 * SECOND) == ""
    assert "no longer has what it names" in told(0)
    assert "1 are left" in told(1)
    assert "nothing was measured" in told(ended_ns=160 * SECOND)
    assert "the first 12 s were not measured" in told(begun_ns=112 * SECOND)
    early = {"begun_ns": 100 * SECOND, "ended_ns": 150 * SECOND, "ended_by": "owner"}
    assert "10 s before its end by owner" in told(**early)
    assert "refused 1 and slowed 0" in told(refused=1)
