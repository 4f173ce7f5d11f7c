"""One file, one writer, readers of their own, and a little space kept for the start."""

import pathlib
import stat
import threading

import pytest

from controller.store.interface import StoreFullError, StoreTimeoutError
from controller.store.sqlite.database import FILE_NAME, RESERVE_BYTES, RESERVE_NAME, Database
from foundation.errors import ResourceError

FILL = "CREATE TABLE IF NOT EXISTS filled (content BLOB)"


def test_what_was_committed_is_read_by_every_thread(database: Database) -> None:
    database.submit(lambda c: c.execute("CREATE TABLE t (i INTEGER)").rowcount).result()
    database.submit(lambda c: c.execute("INSERT INTO t VALUES (7)").rowcount).result()
    seen: list[tuple[int]] = []
    reading = [
        threading.Thread(target=lambda: seen.extend(database.read("SELECT i FROM t")))
        for _ in range(3)
    ]
    for thread in reading:
        thread.start()
    for thread in reading:
        thread.join()
    assert seen == [(7,)] * 3


def test_reading_changes_nothing(database: Database) -> None:
    with pytest.raises(ResourceError):
        database.read("CREATE TABLE t (i INTEGER)")
    assert database.read("SELECT name FROM sqlite_master WHERE name = 't'") == []


def test_slow_read_is_cut_off(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.store.sqlite.database.READ_LIMIT_S", 0.0)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    with pytest.raises(StoreTimeoutError):
        database.read(f"{numbers} SELECT count(*) FROM n")


def test_state_tells_how_large_it_is_and_that_it_is_well(
    database: Database, tmp_path: pathlib.Path
) -> None:
    state = database.state()
    assert (state.engine, state.state, state.reason) == ("sqlite", "ok", None)
    assert state.queued_writes == 0
    assert state.size_bytes == (tmp_path / "data" / FILE_NAME).stat().st_size
    assert (state.free_bytes or 0) > 0


def test_full_disk_is_a_state_that_ends_when_there_is_space(tmp_path: pathlib.Path) -> None:
    Database(tmp_path).close()
    database = Database(tmp_path, max_pages=60)  # of 8 KiB
    database.submit(lambda c: c.execute(FILL).rowcount).result()
    add = "INSERT INTO filled VALUES (zeroblob(8000))"
    outcomes = [database.submit(lambda c: c.execute(add).rowcount).exception() for _ in range(100)]
    assert outcomes[0] is None
    assert isinstance(outcomes[-1], StoreFullError)
    assert database.state().state == "full"
    assert database.state().reason is not None
    kept = outcomes.count(None)
    assert database.read("SELECT count(*) FROM filled") == [(kept,)]
    database.submit(lambda c: c.execute("DELETE FROM filled").rowcount).result()
    assert database.submit(lambda c: c.execute(add).rowcount).result() == 1
    assert database.state().state == "ok"
    database.close()


def test_space_is_kept_for_a_start_on_a_full_disk_and_is_the_owners_alone(
    database: Database, tmp_path: pathlib.Path
) -> None:
    reserve = (tmp_path / "data" / RESERVE_NAME).stat()
    assert reserve.st_blocks * 512 >= RESERVE_BYTES
    assert stat.S_IMODE(reserve.st_mode) == 0o600


def test_database_that_does_not_open_leaves_the_directory_to_others(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    for _ in range(2):  # the second time as the first: not "another controller"
        with pytest.raises(ResourceError, match="not a regular file"):
            Database(tmp_path)
