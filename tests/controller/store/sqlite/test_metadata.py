"""Rows of metadata: what is bounded, what is damaged, and that nobody pushes out another."""

from typing import Any

import numpy as np
import pytest

from controller.store.records import DuplicateRecord, PlanRecord, SilenceRecord, StreamRecord
from controller.store.sqlite import metadata
from controller.store.sqlite.database import Database
from controller.store.sqlite.metadata import (
    SqliteDuplicates,
    SqlitePlans,
    SqliteSilences,
    SqliteSites,
    SqliteStreams,
)


def plan(version: int, agent: str = "nanjing") -> PlanRecord:
    return PlanRecord(agent=agent, version=version, content=f"v{version}".encode())


def silence(mark: str, **more: Any) -> SilenceRecord:
    told: dict[str, Any] = {"agent": "suzhou", "from_ns": 1, "stream_ids": np.array([7], np.uint64)}
    return SilenceRecord(mark=mark, side="answering", rule="agent.stopped", **(told | more))


def test_newest_plan_is_the_one_of_the_highest_version(database: Database) -> None:
    plans = SqlitePlans(database)
    plans.put([plan(1), plan(2), plan(1, "suzhou")], 5).result()
    latest = plans.latest()
    assert {name: one.content for name, one in latest.items()} == {
        "nanjing": b"v2",
        "suzhou": b"v1",
    }
    (second, first) = plans.history("nanjing", 3, 9)
    assert (second.version, second.created_ns, first.content) == (2, 5, b"v1")


def test_versions_of_a_plan_beyond_the_bound_go_and_no_other_agents(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "PLANS_KEPT", 2)
    plans = SqlitePlans(database)
    plans.put([plan(1, "suzhou")], 1).result()
    for version in (1, 2, 3):
        plans.put([plan(version)], 1).result()
    assert [one.version for one in plans.history("nanjing", 99, 9)] == [3, 2]
    assert [one.version for one in plans.history("suzhou", 99, 9)] == [1]


def test_damaged_plan_is_empty_and_never_another_version(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    plans = SqlitePlans(database)
    plans.put([plan(1), plan(2)], 1).result()
    spoil = "UPDATE plans SET content = x'00' WHERE version = 2"
    database.submit(lambda c: c.execute(spoil).rowcount).result()
    assert (plans.latest()["nanjing"].version, plans.latest()["nanjing"].content) == (2, b"")
    assert [one.version for one in plans.history("nanjing", 99, 9)] == [1]
    assert "the plan 2 of nanjing is damaged" in caplog.text


def test_a_stream_stays_what_it_was_when_it_was_first_planned(database: Database) -> None:
    streams = SqliteStreams(database)
    first = StreamRecord(stream_id=1, agent="a", path="a>b", protocol="udp", type_p="udp4")
    streams.put([first]).result()
    streams.put([StreamRecord(stream_id=1, agent="x", path="x>y", protocol="tcp", type_p="t")])
    second = StreamRecord(
        stream_id=(1 << 48) - 1, agent="a", path="a>c", protocol="icmp", type_p=""
    )
    streams.put([second]).result()
    assert streams.all() == [first, second]


def test_the_copy_of_the_sites_is_replaced_whole(database: Database) -> None:
    sites = SqliteSites(database)
    sites.put([("a", b"{}"), ("b", b"{}")], 1).result()
    sites.put([("b", b'{"city":"x"}')], 2).result()
    rows = database.read("SELECT name, document, loaded_ns FROM sites")
    assert rows == [("b", '{"city":"x"}', 2)]


def test_silence_comes_back_as_it_was_and_is_replaced_by_its_mark(database: Database) -> None:
    silences = SqliteSilences(database)
    many = np.array([3, 1, (1 << 63) + 5], np.uint64)
    silences.put([silence("late", from_ns=9), silence("m", stream_ids=many)]).result()
    silences.put([silence("m", stream_ids=many, to_ns=8, action="throttled", share=0.25)]).result()
    first, second = silences.records()
    assert (first.mark, first.to_ns, first.action, first.share) == ("m", 8, "throttled", 0.25)
    assert (first.stream_ids.dtype, first.stream_ids.tolist()) == (np.uint64, many.tolist())
    assert (second.mark, second.to_ns) == ("late", None)


def test_an_agents_oldest_silences_beyond_its_share_go_ended_ones_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "SILENCES_KEPT", 2)
    silences = SqliteSilences(database)
    silences.put([silence("other", agent="nanjing")]).result()
    silences.put(
        [silence("open"), *(silence(f"e{n}", from_ns=n, to_ns=n) for n in (2, 3))]
    ).result()
    assert [one.mark for one in silences.records()] == ["open", "other", "e3"]


def test_lives_of_an_agents_copies_are_kept_by_boot_the_newest_of_each_agent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def life(
        boot: str, seen_ns: int, *, refused: bool = False, agent: str = "a"
    ) -> DuplicateRecord:
        return DuplicateRecord(agent=agent, boot=boot, refused=refused, seen_ns=seen_ns)

    monkeypatch.setattr(metadata, "DUPLICATES_KEPT", 2)
    duplicates = SqliteDuplicates(database)
    duplicates.put([life("x", 1, agent="b"), life("1", 2), life("2", 3)]).result()
    duplicates.put([life("1", 4, refused=True), life("3", 5)]).result()
    assert duplicates.records() == [
        life("x", 1, agent="b"),
        life("1", 4, refused=True),
        life("3", 5),
    ]
