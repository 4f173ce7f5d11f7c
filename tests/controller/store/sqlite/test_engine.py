"""The engine opens one database for all parts of a store, for one controller alone."""

import pathlib

import pytest

from controller.store.interface import Store, StoreFullError
from controller.store.records import StoredChunk
from controller.store.sqlite.database import Database
from controller.store.sqlite.engine import FILE_NAME, open_store, store_on
from foundation.errors import ConfigError, ResourceError


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


def test_second_controller_on_one_directory_is_refused(
    store: Store, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ResourceError, match="Another controller"):
        open_store(tmp_path / "data")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"somebody's notes, not a database at all" * 100)
    with pytest.raises(ConfigError, match="not an Isochrone database"):
        open_store(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"somebody's notes")


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


def test_all_parts_stand_on_one_database(tmp_path: pathlib.Path) -> None:
    database = Database(tmp_path)
    store = store_on(database)
    store.windows.put_chunk(chunk(0)).result()
    store.sites.put([("a", b"{}")], 1).result()
    assert database.read("SELECT count(*) FROM chunks, sites") == [(1,)]
    store.close()
