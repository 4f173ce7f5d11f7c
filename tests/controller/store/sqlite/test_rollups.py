"""What is due is merged once it is over and quiet, after a crash too; what is too old goes."""

import pathlib
import shutil
from collections.abc import Callable, Iterator

import pytest

from controller.store.interface import Store
from controller.store.levels import DAY_NS, HOUR, MINUTE, SECOND_NS, Retention
from controller.store.records import StreamRecord
from controller.store.sqlite.engine import FILE_NAME, open_store
from probes.window import WindowBatch
from tests.controller.store.stored_chunks import chunk_of_batch

STREAM = StreamRecord(stream_id=5, agent="nanjing", path="a>b", protocol="udp", type_p="udp4")
RETENTION = Retention(window_days=1, minute_days=2, hour_days=400, day_days=400)
Put = Callable[..., None]


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "data", retention=RETENTION)
    yield opened
    opened.close()


@pytest.fixture
def put(store: Store, batch_of: Callable[..., WindowBatch], chunk_of: Callable[..., bytes]) -> Put:
    """Return a function that stores a window of 10 probes which starts at `start_ns`."""
    sequence = iter(range(1000))

    def one(start_ns: int, *, received_ns: int | None = None) -> None:
        batch, number = batch_of([5], start_ns), next(sequence)
        end_ns = start_ns + batch.duration_ns
        chunk = chunk_of_batch(
            batch,
            chunk_of(batch, agent="nanjing", sequence=number),
            sequence=number,
            received_ns=end_ns if received_ns is None else received_ns,
        )
        assert store.windows.put_chunk(chunk).result()

    return one


def sent(store: Store, step_ns: int) -> list[int]:
    found: list[int] = (
        store.series.read([STREAM], 0, DAY_NS, step_ns=step_ns).points["sent"].tolist()
    )
    return found


def roll_all_up(store: Store, now_ns: int) -> None:
    for later in range(3):
        while store.rollups.roll_up(now_ns + later * HOUR.step_ns, 10):
            pass


def test_a_minute_is_merged_once_it_is_over_and_nothing_new_came_for_a_while(
    store: Store, put: Put
) -> None:
    put(0)
    put(30 * SECOND_NS, received_ns=50 * SECOND_NS)
    assert store.rollups.roll_up(MINUTE.step_ns - 1, 10) == 0
    assert store.rollups.roll_up(MINUTE.step_ns, 10) == 0  # the last came 10 s ago
    assert store.rollups.roll_up(65 * SECOND_NS, 10) == 1
    assert sent(store, MINUTE.step_ns) == [20]
    assert store.rollups.pending() == 1  # its hour


def test_a_window_that_comes_late_lets_its_minute_and_hour_be_made_anew(
    store: Store, put: Put
) -> None:
    put(0)
    roll_all_up(store, DAY_NS)
    assert sent(store, HOUR.step_ns) == [10]
    waiting = store.rollups.pending()  # spans of days
    put(20 * SECOND_NS, received_ns=DAY_NS)
    assert store.rollups.pending() == waiting + 1
    roll_all_up(store, 2 * DAY_NS)
    assert (sent(store, MINUTE.step_ns), sent(store, HOUR.step_ns)) == ([20], [20])


def test_what_was_marked_by_a_clock_that_was_ahead_does_not_wait_for_ever(
    store: Store, put: Put
) -> None:
    put(0, received_ns=1000 * DAY_NS)
    assert store.rollups.roll_up(HOUR.step_ns, 10) >= 1
    assert sent(store, MINUTE.step_ns) == [10]


def test_no_more_than_asked_for_is_merged_at_once(store: Store, put: Put) -> None:
    for minute in range(5):
        put(minute * MINUTE.step_ns)
    assert store.rollups.roll_up(DAY_NS, 2) == 2
    assert store.rollups.roll_up(DAY_NS, 0) == 0
    assert len(sent(store, MINUTE.step_ns)) == 2


def test_what_waits_to_be_rolled_up_waits_still_after_a_crash(
    store: Store, put: Put, tmp_path: pathlib.Path
) -> None:
    put(0)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (FILE_NAME, f"{FILE_NAME}-wal"):  # as a power cut leaves them
        shutil.copy(tmp_path / "data" / file, crashed / file)
    after = open_store(crashed)
    assert after.rollups.pending() == 1
    assert after.rollups.roll_up(HOUR.step_ns, 10) == 1
    assert sent(after, MINUTE.step_ns) == [10]
    after.close()


def test_hours_outlive_their_windows(store: Store, put: Put) -> None:
    put(0)
    now_ns = 100 * DAY_NS
    roll_all_up(store, now_ns)
    while store.rollups.expire(now_ns):
        pass
    assert list(store.windows.chunks_since(0)) == []
    answer = store.series.read([STREAM], 0, now_ns)
    assert (answer.level, answer.points["sent"].tolist()) == ("day", [10])
    fine = store.series.read([STREAM], 0, now_ns, step_ns=MINUTE.step_ns)
    assert (fine.level, fine.points["sent"].tolist()) == ("hour", [10])


def test_nothing_that_may_still_be_added_to_is_forgotten(store: Store, put: Put) -> None:
    put(0)
    at_the_bound_ns = RETENTION.window_days * DAY_NS
    assert store.rollups.expire(at_the_bound_ns) == 0
    assert store.rollups.expire(at_the_bound_ns + DAY_NS) == 0  # its minute may be rebuilt
    assert store.rollups.expire(at_the_bound_ns + DAY_NS + 1) == 1
