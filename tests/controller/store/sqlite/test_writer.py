"""One thread writes; whoever asked is answered after the commit, and one's fault is no other's."""

import pathlib
import sqlite3
import threading
from collections.abc import Callable, Iterator

import pytest

from controller.store.interface import StoreBusyError, StoreFullError
from controller.store.sqlite.writer import MAX_QUEUED_BYTES, MAX_QUEUED_JOBS, Writer
from foundation.errors import ResourceError


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "t.db"


@pytest.fixture
def connection(path: pathlib.Path) -> sqlite3.Connection:
    opened = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    opened.execute("CREATE TABLE t (i)")
    return opened


@pytest.fixture
def writer(connection: sqlite3.Connection) -> Iterator[Writer]:
    running = Writer(connection)
    yield running
    running.close()


def add(number: object) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (number,)).rowcount


def written(path: pathlib.Path) -> list[int]:
    reader = sqlite3.connect(path)
    rows = [row[0] for row in reader.execute("SELECT i FROM t ORDER BY rowid")]
    reader.close()
    return rows


def test_one_bad_write_does_not_spoil_those_committed_with_it(
    writer: Writer, path: pathlib.Path
) -> None:
    gate = threading.Event()
    blocked = writer.submit(lambda _: gate.wait())
    good = writer.submit(add(1))
    bad = writer.submit(lambda c: c.execute("INSERT INTO nowhere VALUES (1)").rowcount)
    also_good = writer.submit(add(2))
    gate.set()
    assert (blocked.result(), good.result(), also_good.result()) == (True, 1, 1)
    assert isinstance(bad.exception(), ResourceError)
    assert written(path) == [1, 2]


def test_what_is_answered_is_committed_in_the_order_in_which_it_was_asked_for(
    writer: Writer, path: pathlib.Path
) -> None:
    asked = [writer.submit(add(number)) for number in range(600)]  # more than one commit takes
    asked[-1].result()
    assert written(path) == list(range(600))
    assert all(one.done() for one in asked)


def test_too_many_waiting_bytes_are_refused_at_once(writer: Writer) -> None:
    gate = threading.Event()
    writer.submit(lambda _: gate.wait(), MAX_QUEUED_BYTES)
    with pytest.raises(StoreBusyError):
        writer.submit(lambda _: None, 1)
    gate.set()


def test_too_many_waiting_writes_are_refused_and_the_others_done(
    writer: Writer, path: pathlib.Path
) -> None:
    gate = threading.Event()
    writer.submit(lambda _: gate.wait())
    last = [writer.submit(add(number)) for number in range(MAX_QUEUED_JOBS - 1)][-1]
    assert writer.queued == MAX_QUEUED_JOBS
    with pytest.raises(StoreBusyError):
        writer.submit(add(0))
    gate.set()
    last.result()
    assert len(written(path)) == MAX_QUEUED_JOBS - 1


def test_one_write_is_taken_however_large_if_nothing_waits(writer: Writer) -> None:
    assert writer.submit(add(1), MAX_QUEUED_BYTES + 1).result() == 1


def test_closing_does_what_was_queued_and_takes_nothing_more(
    connection: sqlite3.Connection, path: pathlib.Path
) -> None:
    writer = Writer(connection)
    asked = [writer.submit(add(number)) for number in range(50)]
    writer.close()
    assert all(one.result() == 1 for one in asked)
    with pytest.raises(StoreBusyError):
        writer.submit(add(50))
    writer.close()  # twice is as good as once
    assert written(path) == list(range(50))


def test_full_disk_is_a_fault_until_a_write_succeeds(writer: Writer) -> None:
    writer.submit(lambda c: c.execute("PRAGMA max_page_count = 4").fetchall()).result()
    full = writer.submit(add(bytes(100_000)))
    assert isinstance(full.exception(), StoreFullError)
    assert isinstance(writer.fault, StoreFullError)
    assert writer.submit(add(1)).result() == 1
    assert writer.fault is None
    assert writer.queued == 0


def test_a_bug_in_a_write_is_its_owners_and_no_fault_of_the_store(writer: Writer) -> None:
    def wrong(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyError("mine")

    assert isinstance(writer.submit(wrong).exception(), KeyError)
    assert writer.fault is None
    count = writer.submit(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0])
    assert count.result() == 0  # all of it or nothing
