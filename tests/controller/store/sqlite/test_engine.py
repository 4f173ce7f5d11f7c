import pathlib
import shutil
import sqlite3
import threading
from collections.abc import Callable

import pytest
import sqlite_utils

from controller.store.interface import Store, StoreBusyError, StoreFullError, StoreTimeoutError
from controller.store.levels import DAY_NS, HOUR, MINUTE, Retention
from controller.store.records import StoredChunk, StreamRecord
from controller.store.sqlite import schema
from controller.store.sqlite.database import Database
from controller.store.sqlite.engine import FILE_NAME, open_store
from controller.store.sqlite.windows import SINCE
from controller.store.sqlite.writer import MAX_QUEUED_BYTES, Writer
from foundation.errors import ConfigError, ResourceError
from probes.window import WindowBatch


def chunk(sequence: int, payload: bytes = b"x") -> StoredChunk:
    return StoredChunk(
        agent="nanjing",
        boot="b0",
        sequence=sequence,
        plan_version=1,
        start_ns=sequence,
        duration_ns=1,
        counts={"windows": 1},
        received_ns=1,
        payload=payload,
    )


def test_migrations_are_named_and_recorded_in_order(store: Store, tmp_path: pathlib.Path) -> None:
    db = sqlite_utils.Database(tmp_path / "data" / FILE_NAME)
    names = [migration.name for migration in schema.migrations.applied(db)]
    db.close()
    assert names == sorted(names)
    assert names[0] == "0001_metadata"


def test_database_of_the_first_migration_is_brought_forward(tmp_path: pathlib.Path) -> None:
    path = tmp_path / FILE_NAME
    db = sqlite_utils.Database(path)
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    schema.migrations.apply(db, stop_before="0002_chunks")
    db.table("sites").insert({"name": "nanjing", "document": "{}", "loaded_ns": 1})
    db.close()
    store = open_store(tmp_path)
    assert store.windows.put_chunk(chunk(0)).result() is True
    store.close()


def test_database_of_a_newer_version_is_refused(tmp_path: pathlib.Path) -> None:
    open_store(tmp_path).close()
    db = sqlite_utils.Database(tmp_path / FILE_NAME)
    db.table("_sqlite_migrations").insert(
        {"migration_set": "isochrone", "name": "0999_later", "applied_at": "2030"}
    )
    db.close()
    with pytest.raises(ConfigError, match="newer Isochrone"):
        open_store(tmp_path)


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"somebody's notes, not a database at all" * 100)
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        open_store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"somebody's notes")


def test_database_of_another_program_is_refused(tmp_path: pathlib.Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("CREATE TABLE photos (id INTEGER)")
    other.commit()
    other.close()
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        open_store(tmp_path)


def test_second_controller_on_one_directory_is_refused(
    store: Store, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ResourceError, match="Another controller"):
        open_store(tmp_path / "data")


def test_data_directory_that_is_a_file_is_refused_with_what_to_do(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ResourceError, match="--data"):
        open_store(tmp_path / "data")


def test_full_disk_is_a_state_that_ends_when_there_is_space(tmp_path: pathlib.Path) -> None:
    open_store(tmp_path).close()
    store = open_store(tmp_path, max_pages=40)  # of 8 KiB
    stored = [store.windows.put_chunk(chunk(i, bytes(8000))) for i in range(100)]
    outcomes = [future.exception() for future in stored]
    assert outcomes[0] is None
    assert isinstance(outcomes[-1], StoreFullError)
    assert store.state().state == "full"
    kept = sum(outcome is None for outcome in outcomes)
    store.close()

    store = open_store(tmp_path)
    assert sum(1 for _ in store.windows.chunks_since(0)) == kept
    again = [store.windows.put_chunk(chunk(i)).result() for i in range(100)]
    assert again.count(True) == 100 - kept
    assert store.state().state == "ok"
    store.close()


def test_one_bad_write_does_not_spoil_those_committed_with_it(tmp_path: pathlib.Path) -> None:
    writer = Writer(_connection(tmp_path))
    gate = threading.Event()
    blocked = writer.submit(lambda _: gate.wait())
    good = writer.submit(lambda c: c.execute("INSERT INTO t VALUES (1)").rowcount)
    bad = writer.submit(lambda c: c.execute("INSERT INTO nowhere VALUES (1)").rowcount)
    also_good = writer.submit(lambda c: c.execute("INSERT INTO t VALUES (2)").rowcount)
    gate.set()
    assert (blocked.result(), good.result(), also_good.result()) == (True, 1, 1)
    assert isinstance(bad.exception(), ResourceError)
    writer.close()
    with sqlite3.connect(tmp_path / "t.db") as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (2,)
    db.close()


def test_too_many_waiting_bytes_are_refused_at_once(tmp_path: pathlib.Path) -> None:
    writer = Writer(_connection(tmp_path))
    gate = threading.Event()
    writer.submit(lambda _: gate.wait(), MAX_QUEUED_BYTES)
    with pytest.raises(StoreBusyError):
        writer.submit(lambda _: None, 1)
    gate.set()
    writer.close()


def test_slow_read_is_cut_off(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.store.sqlite.database.READ_LIMIT_S", 0.0)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    database = Database(tmp_path)
    with pytest.raises(StoreTimeoutError):
        database.read(f"{numbers} SELECT count(*) FROM n")
    database.close()


def _connection(directory: pathlib.Path) -> sqlite3.Connection:
    connection = sqlite3.connect(directory / "t.db", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (i INTEGER)")
    return connection


def test_what_waits_to_be_rolled_up_waits_still_after_a_crash(
    tmp_path: pathlib.Path, batch_of: Callable[..., WindowBatch], chunk_of: Callable[..., bytes]
) -> None:
    store = open_store(tmp_path / "data")
    body = chunk_of(batch_of([5], 0), agent="nanjing", sequence=0)
    store.windows.put_chunk(chunk(0, body)).result()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (FILE_NAME, f"{FILE_NAME}-wal"):  # as a power cut leaves them
        shutil.copy(tmp_path / "data" / file, crashed / file)
    store.close()
    after = open_store(crashed)
    assert after.rollups.pending() == 1
    assert after.rollups.roll_up(HOUR.step_ns, 10) == 1
    asked = StreamRecord(stream_id=5, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")
    assert after.series.read([asked], 0, HOUR.step_ns, step_ns=MINUTE.step_ns).points["sent"] == [
        10
    ]
    after.close()


def test_hours_outlive_their_windows(
    tmp_path: pathlib.Path, batch_of: Callable[..., WindowBatch], chunk_of: Callable[..., bytes]
) -> None:
    kept = Retention(window_days=1, minute_days=2, hour_days=400, day_days=400)
    store = open_store(tmp_path, retention=kept)
    store.windows.put_chunk(
        chunk(0, chunk_of(batch_of([5], 0), agent="nanjing", sequence=0))
    ).result()
    now_ns = 100 * DAY_NS
    for later in range(3):
        while store.rollups.roll_up(now_ns + later * HOUR.step_ns, 10):
            pass
    while store.rollups.expire(now_ns):
        pass
    assert list(store.windows.chunks_since(0)) == []
    asked = StreamRecord(stream_id=5, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")
    answer = store.series.read([asked], 0, now_ns)
    assert (answer.level, answer.points["sent"].tolist()) == ("day", [10])
    fine = store.series.read([asked], 0, now_ns, step_ns=MINUTE.step_ns)
    assert (fine.level, fine.points["sent"].tolist()) == ("hour", [10])
    store.close()


def test_reading_back_what_is_new_does_not_look_at_what_is_old(
    store: Store, tmp_path: pathlib.Path
) -> None:
    with sqlite3.connect(tmp_path / "data" / FILE_NAME) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {SINCE}", (0, 0)).fetchall()
    assert len(plan) == 1  # nothing is sorted beside it
    assert "idx_chunks_start_ns (start_ns>?)" in plan[0][3]
