"""Lines of the audit log are added, found newest first, and only the oldest forgotten."""

import pathlib
import sqlite3
from collections.abc import Iterator

import pytest

from controller.access import audit_log
from controller.access.audit_log import add_entry, entries
from controller.access.key_database import open_tables

EVER_NS = 1 << 62


@pytest.fixture
def tables(tmp_path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    connection = open_tables(tmp_path)
    yield connection
    connection.close()


def subjects(tables: sqlite3.Connection, **asked: int) -> list[str]:
    every = {"before_id": EVER_NS, "from_ns": 0, "to_ns": EVER_NS, "limit": 100}
    return [one.subject for one in entries(tables, **(every | asked))]


def test_lines_come_back_as_they_were_newest_first(tables: sqlite3.Connection) -> None:
    add_entry(tables, 5, actor="me", action="try", subject="a")
    add_entry(tables, 6, actor="token x", action="POST", subject="b", result="403", detail="no")
    newest, oldest = entries(tables, before_id=9, from_ns=0, to_ns=EVER_NS, limit=9)
    assert (newest.actor, newest.action, newest.result, newest.detail) == (
        "token x", "POST", "403", "no",
    )  # fmt: skip
    assert (oldest.id, oldest.at_ns, oldest.subject, oldest.result) == (1, 5, "a", "ok")


def test_a_page_is_what_is_older_than_the_last_one_within_the_time(
    tables: sqlite3.Connection,
) -> None:
    for number in range(6):
        add_entry(tables, number, actor="me", action="try", subject=str(number))
    assert subjects(tables, limit=2) == ["5", "4"]
    assert subjects(tables, before_id=5, limit=2) == ["3", "2"]
    assert subjects(tables, from_ns=2, to_ns=4) == ["3", "2"]


def test_the_oldest_lines_beyond_the_bound_go(
    tables: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "KEPT_ROWS", 3)
    for number in range(5):
        add_entry(tables, number, actor="me", action="try", subject=str(number))
    assert subjects(tables) == ["4", "3", "2"]
