"""Points are read from tiles and from what is not laid out yet, each once; damage is left out."""

from collections.abc import Callable

import pytest

from controller.store.interface import Store
from controller.store.levels import DAY, HOUR, MINUTE
from controller.store.records import StreamRecord
from controller.store.sqlite.database import Database
from controller.store.sqlite.engine import store_on
from probes.window import WindowBatch
from tests.controller.store.stored_chunks import chunk_of_batch

STREAM = StreamRecord(stream_id=5, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")
Put = Callable[[int], None]


@pytest.fixture
def store(database: Database) -> Store:
    return store_on(database)


@pytest.fixture
def put(store: Store, batch_of: Callable[..., WindowBatch], chunk_of: Callable[..., bytes]) -> Put:
    """Return a function that stores the window with which a minute begins."""
    sequence = iter(range(1000))

    def one(minute: int) -> None:
        batch, number = batch_of([5, 6], minute * MINUTE.step_ns), next(sequence)
        chunk = chunk_of_batch(
            batch, chunk_of(batch, agent="nanjing", sequence=number), sequence=number
        )
        assert store.windows.put_chunk(chunk).result()

    return one


def minutes(store: Store, from_minute: int = 0, to_minute: int = 300) -> list[int]:
    """Return which minutes there are of the stream."""
    answer = store.series.read(
        [STREAM], from_minute * MINUTE.step_ns, to_minute * MINUTE.step_ns, step_ns=MINUTE.step_ns
    )
    assert answer.stream_id.tolist() == [5] * len(answer.points)
    return [start_ns // MINUTE.step_ns for start_ns in answer.start_ns.tolist()]


def roll_up(store: Store, now_ns: int) -> None:
    """Merge what is due at `now_ns`, and what follows from that within the hour."""
    for quarter in range(4):
        while store.rollups.roll_up(now_ns + quarter * HOUR.step_ns // 4, 100):
            pass


def test_minutes_in_tiles_and_minutes_of_the_running_hour_are_each_there_once(
    store: Store, put: Put
) -> None:
    for minute in (0, 59, 60, 61):
        put(minute)
    roll_up(store, 63 * MINUTE.step_ns)  # the first hour is laid out, the second continues
    assert minutes(store) == [0, 59, 60, 61]
    put(0)  # late: its tile is old, its minute new
    store.rollups.roll_up(64 * MINUTE.step_ns, 100)
    answer = store.series.read([STREAM], 0, HOUR.step_ns, step_ns=MINUTE.step_ns)
    assert answer.points["sent"].tolist() == [20, 10]


def test_a_range_holds_its_start_and_not_its_end(store: Store, put: Put) -> None:
    for minute in range(5):
        put(minute)
    roll_up(store, DAY.step_ns)
    assert minutes(store, 1, 3) == [1, 2]
    assert minutes(store, 5, 9) == []


def test_damaged_tile_is_left_out_and_named_and_the_others_stay(
    store: Store, database: Database, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    for minute in (0, 60, 120):
        put(minute)
    roll_up(store, 10 * DAY.step_ns)
    spoil = "UPDATE tiles SET payload = x'00' WHERE level = 1 AND start_ns = ?"
    database.submit(lambda c: c.execute(spoil, (HOUR.step_ns,)).rowcount).result()
    assert minutes(store) == [0, 120]
    assert f"stream 5 did from {HOUR.step_ns} on is damaged" in caplog.text


def test_damaged_points_of_the_running_hour_are_left_out(
    store: Store, database: Database, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    for minute in (0, 1):
        put(minute)
    roll_up(store, 10 * MINUTE.step_ns)
    spoil = "UPDATE rollups SET figures = x'00112233' WHERE start_ns = 0"
    database.submit(lambda c: c.execute(spoil).rowcount).result()
    assert minutes(store) == [1]
    assert "is damaged" in caplog.text


def test_damaged_hour_is_missing_from_the_whole_hours(
    store: Store, database: Database, put: Put
) -> None:
    for minute in (0, 60):
        put(minute)
    roll_up(store, DAY.step_ns)
    spoil = "UPDATE rollups SET payload = x'00' WHERE level = 2 AND start_ns = 0"
    database.submit(lambda c: c.execute(spoil).rowcount).result()
    hours = list(store.series.hours_of("nanjing", 0, DAY.step_ns))
    assert [start_ns for start_ns, _ in hours] == [HOUR.step_ns]
    assert hours[0][1].stream_id.tolist() == [5, 6]
