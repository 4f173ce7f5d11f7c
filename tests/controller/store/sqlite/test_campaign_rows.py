"""Campaigns, their reports and baselines: what is bounded, and what a name may mean."""

from dataclasses import replace

import pytest

from controller.store.records import BaselineRecord
from controller.store.sqlite import campaign_rows
from controller.store.sqlite.campaign_rows import SqliteBaselines, SqliteCampaigns
from controller.store.sqlite.database import Database
from tests.controller.store.stored_campaigns import campaign


def test_reports_are_bounded_and_the_newest_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_rows, "MAX_REPORTS_BYTES", 10)
    campaigns = SqliteCampaigns(database)
    numbers = [campaigns.put(campaign(name)).result() for name in "abc"]
    for number in numbers:
        campaigns.put_report(number, b"12345").result()
    assert [campaigns.report(number) for number in numbers] == [None, b"12345", b"12345"]
    campaigns.put_report(numbers[2], b"longer than all of it").result()
    assert campaigns.report(numbers[1]) is None
    assert campaigns.report(numbers[2]) == b"longer than all of it"


def test_the_oldest_campaigns_that_are_over_are_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_rows, "CAMPAIGNS_KEPT", 2)
    campaigns = SqliteCampaigns(database)
    for name in "abcd":
        number = campaigns.put(campaign(name)).result()
        if name in "bd":
            campaigns.change(campaign(name, id=number, ended_ns=15)).result()
    assert [record.name for record in campaigns.records()] == ["a", "c", "d"]
    campaigns.put(campaign("e")).result()
    assert [record.name for record in campaigns.records()] == ["a", "c", "e"]


def test_what_was_asked_and_by_whom_is_never_changed(database: Database) -> None:
    campaigns = SqliteCampaigns(database)
    number = campaigns.put(campaign("a")).result()
    other = campaign("b", id=number, request=b"[]", created_by="me", begun_ns=12, results=b"{}")
    campaigns.change(other).result()
    assert campaigns.records() == [campaign("a", id=number, begun_ns=12, results=b"{}")]


def test_a_report_goes_with_its_campaign(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_rows, "CAMPAIGNS_KEPT", 1)
    campaigns = SqliteCampaigns(database)
    first = campaigns.put(campaign("a")).result()
    campaigns.put_report(first, b"page").result()
    campaigns.change(campaign("a", id=first, ended_ns=15)).result()
    second = campaigns.put(campaign("b")).result()
    campaigns.put_report(second, b"other").result()
    assert (campaigns.report(first), campaigns.report(second)) == (None, b"other")


def test_a_baseline_is_sealed_once_under_its_name(database: Database) -> None:
    baselines = SqliteBaselines(database)
    record = BaselineRecord(
        name="autumn", from_ns=1, to_ns=2, sealed_ns=9, digest="00", content=b"\x00\x01"
    )
    earlier = replace(record, name="summer", sealed_ns=3)
    assert baselines.put(record).result() is True
    assert baselines.put(replace(record, digest="ff")).result() is False
    assert baselines.put(earlier).result() is True
    assert baselines.all() == [earlier, record]
