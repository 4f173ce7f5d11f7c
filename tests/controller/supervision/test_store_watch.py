"""A store that takes nothing is told of in the log, as soon as that takes anything again."""

from typing import Any

from controller.store.interface import Store
from controller.store.records import StoredChunk
from controller.supervision.store_watch import SUBJECT, StoreWatch
from tests.memory_store import memory_store

SECOND = 1_000_000_000


def put(store: Store, sequence: int, size: int) -> None:
    chunk = StoredChunk(
        agent="a",
        boot="b",
        sequence=sequence,
        plan_version=1,
        start_ns=sequence,
        duration_ns=1,
        counts={},
        received_ns=0,
        payload=bytes(size),
    )
    store.windows.put_chunk(chunk).exception()


def test_a_store_that_was_always_well_is_no_news(clock: Any) -> None:
    watch = StoreWatch(memory_store(), clock)
    assert watch.changes() == watch.changes() == []


def test_a_store_that_is_full_is_logged_since_then_and_told_when_there_is_room(clock: Any) -> None:
    store = memory_store(max_bytes=10)
    watch = StoreWatch(store, clock)
    began_ns = clock.now_ns
    clock.now_ns += 5 * SECOND
    put(store, 1, 100)
    full_ns = clock.now_ns
    for _ in range(2):
        assert watch.changes() == []
        clock.now_ns += 5 * SECOND
    logged = store.event_log.events(limit=10)
    assert {(one.subject, one.state, one.previous, one.at_ns) for one in logged} == {
        (SUBJECT, "full", "ok", full_ns)
    }
    put(store, 2, 1)
    (ended,) = watch.changes()
    assert (ended.part, ended.state, ended.previous) == (SUBJECT, "ok", "full")
    assert (ended.at_ns, ended.previous_since_ns) == (clock.now_ns, full_ns)
    assert watch.changes() == []
    assert began_ns < full_ns
