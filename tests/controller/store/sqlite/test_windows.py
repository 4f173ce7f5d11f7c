"""Chunks as rows: what the conformance suite does not see of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store.levels import KEPT
from controller.store.records import StoredChunk
from controller.store.sqlite.database import Database
from controller.store.sqlite.rollups import SqliteRollups
from controller.store.sqlite.windows import SINCE, SqliteWindows, packed_counts, unpacked_counts

CHUNK = StoredChunk(
    agent="nanjing",
    boot="b0",
    sequence=0,
    plan_version=1,
    start_ns=0,
    duration_ns=10,
    counts={"windows": 3},
    received_ns=1,
    payload=b"x",
)


@pytest.fixture
def windows(database: Database) -> SqliteWindows:
    return SqliteWindows(database)


def test_reading_back_what_is_new_does_not_look_at_what_is_old(database: Database) -> None:
    plan = database.read(f"EXPLAIN QUERY PLAN {SINCE}", (0, 0))
    assert len(plan) == 1  # nothing is sorted beside it
    assert "idx_chunks_start_ns (start_ns>?)" in plan[0][3]


@given(st.dictionaries(st.text(min_size=1, max_size=9), st.integers(0, 1 << 40), max_size=4))
def test_counts_are_kept_as_a_text_without_what_is_zero(counts: dict[str, int]) -> None:
    assert unpacked_counts(packed_counts(counts)) == {k: n for k, n in counts.items() if n}


@pytest.mark.parametrize("text", ["", "[]", '{"windows":"many"}', '{"windows":1'])
def test_another_text_is_no_counts(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked_counts(text)


def test_only_what_holds_windows_waits_to_be_merged_and_moves_the_newest_window(
    database: Database, windows: SqliteWindows
) -> None:
    rollups = SqliteRollups(database, KEPT)
    routes = replace(CHUNK, counts={"routes": 2}, start_ns=900)
    windows.put_chunk(routes).result()
    assert rollups.pending() == 0
    assert windows.agent_totals()["nanjing"].last_window_ns is None
    windows.put_chunk(replace(CHUNK, sequence=1)).result()
    assert rollups.pending() == 1
    totals = windows.agent_totals()["nanjing"]
    assert totals.last_window_ns == 10
    assert totals.results == {"windows": 3, "routes": 2}


def test_a_kind_is_not_found_by_a_part_of_its_name(windows: SqliteWindows) -> None:
    windows.put_chunk(replace(CHUNK, counts={"more windows": 1})).result()
    assert windows.chunks_of("nanjing", 0, 1000, 10) == ([], None)
    assert len(windows.chunks_of("nanjing", 0, 1000, 10, kind="more windows")[0]) == 1


def test_an_empty_store_begins_nowhere(windows: SqliteWindows) -> None:
    assert windows.oldest_ns() is None
    windows.put_chunk(replace(CHUNK, start_ns=70)).result()
    windows.put_chunk(replace(CHUNK, sequence=1, start_ns=30)).result()
    assert windows.oldest_ns() == 30
