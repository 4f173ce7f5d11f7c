"""Migrations are named, ordered, and take along what was there."""

from collections.abc import Callable

import pytest
import sqlite_utils

from controller.store.sqlite.schema import migrations

MINUTE_NS = 60_000_000_000


@pytest.fixture
def until() -> Callable[[str], sqlite_utils.Database]:
    """Return a function that makes a database as it was before a migration."""

    def make(name: str) -> sqlite_utils.Database:
        db = sqlite_utils.Database(memory=True)
        migrations.apply(db, stop_before=name)
        return db

    return make


Until = Callable[[str], sqlite_utils.Database]


def chunk(number: int, start_ns: int, rows: int) -> dict[str, object]:
    return {
        "agent": "a", "boot": "b0", "sequence": number, "plan_version": 1, "start_ns": start_ns,
        "duration_ns": 10, "rows": rows, "received_ns": 5, "payload": b"",
    }  # fmt: skip


def test_migrations_are_named_and_recorded_in_order() -> None:
    db = sqlite_utils.Database(memory=True)
    migrations.apply(db)
    names = [migration.name for migration in migrations.applied(db)]
    assert names == sorted(names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    migrations.apply(db)  # nothing is left to do
    assert [migration.name for migration in migrations.applied(db)] == names


def test_a_chunk_is_known_by_agent_boot_and_sequence(until: Until) -> None:
    db = until("0010_sections")
    db.table("chunks").insert(chunk(0, 0, 1))
    db.table("chunks").insert(chunk(0, 9, 1), ignore=True)
    db.table("chunks").insert(chunk(1, 0, 1))
    assert db.table("chunks").count == 2


def test_changes_of_verdicts_become_events_and_the_last_ones_states(until: Until) -> None:
    db = until("0005_event_log")
    db.table("changes").insert({
        "id": 7, "at_ns": 5, "target": "t", "path": "a>b", "verdict": "fail", "previous": "pass",
        "previous_since_ns": 1,
    })  # fmt: skip
    db.table("verdicts").insert({"target": "t", "path": "a>b", "verdict": "fail", "since_ns": 5})
    migrations.apply(db)
    (event,) = db.table("events").rows
    assert event == {
        "id": 7, "at_ns": 5, "kind": "verdict", "subject": "a>b", "target": "t", "state": "fail",
        "previous": "pass", "previous_since_ns": 1,
    }  # fmt: skip
    (state,) = db.table("states").rows
    assert (state["kind"], state["subject"], state["target"]) == ("verdict", "a>b", "t")
    assert (state["state"], state["since_ns"]) == ("fail", 5)
    assert not {"changes", "verdicts"} & set(db.table_names())


def test_chunks_that_were_there_wait_to_be_rolled_up_by_minute(until: Until) -> None:
    db = until("0006_rollups")
    for number, start_ns in enumerate((0, MINUTE_NS - 1, MINUTE_NS)):
        db.table("chunks").insert(chunk(number, start_ns, 1))
    migrations.apply(db)
    waiting = [(row["level"], row["agent"], row["start_ns"]) for row in db.table("pending").rows]
    assert waiting == [(1, "a", 0), (1, "a", MINUTE_NS)]


def test_rows_of_windows_become_counts_of_results(until: Until) -> None:
    db = until("0010_sections")
    db.table("chunks").insert(chunk(0, 0, 3))
    db.table("chunks").insert(chunk(1, 0, 0))
    db.table("agents").insert({"name": "a", "windows": 3, "chunks": 2})
    db.table("agents").insert({"name": "new", "windows": 0, "chunks": 0})
    migrations.apply(db)
    assert [row["counts"] for row in db.table("chunks").rows] == ['{"windows":3}', "{}"]
    assert list(db.table("results").rows) == [{"agent": "a", "kind": "windows", "results": 3}]
    assert [row["chunks"] for row in db.table("agents").rows] == [2, 0]
