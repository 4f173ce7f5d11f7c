"""The conformance suite of stores: every engine must pass all of it."""

import pathlib
from collections.abc import Callable, Iterator

import pytest

from controller.sqlite_store import SqliteStore
from controller.store import (
    PlanRecord,
    Store,
    StoreBusyError,
    StoredChunk,
    StreamRecord,
)

ENGINES: dict[str, Callable[[pathlib.Path], Store]] = {"sqlite": SqliteStore}


@pytest.fixture(params=ENGINES)
def reopen(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Callable[[], Store]]:
    """Return a function that closes the store of this test, if open, and opens it again."""
    opened: list[Store] = []

    def open_again() -> Store:
        for store in opened:
            store.close()
        opened[:] = [ENGINES[request.param](tmp_path / "data")]
        return opened[0]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


def chunk(
    agent: str = "nanjing", sequence: int = 0, start_ns: int = 100, **more: object
) -> StoredChunk:
    values = {
        "agent": agent,
        "boot": "b0",
        "sequence": sequence,
        "plan_version": 1,
        "start_ns": start_ns,
        "duration_ns": 10,
        "rows": 3,
        "received_ns": 500,
        "payload": f"{agent}/{sequence}".encode(),
    }
    return StoredChunk(**(values | more))  # type: ignore[arg-type]  # a test's shorthand


def test_chunk_is_stored_once_however_often_it_comes(store: Store) -> None:
    assert store.put_chunk(chunk()).result() is True
    assert store.put_chunk(chunk()).result() is False
    assert len(store.chunks_of("nanjing", 0, 1000, 100)[0]) == 1
    assert store.agent_totals()["nanjing"].windows == 3


def test_same_sequence_after_a_reboot_is_another_chunk(store: Store) -> None:
    assert store.put_chunk(chunk(boot="b0")).result() is True
    assert store.put_chunk(chunk(boot="b1")).result() is True
    assert store.agent_totals()["nanjing"].chunks == 2


def test_chunk_comes_back_exactly_as_received(store: Store) -> None:
    sent = chunk(payload=bytes(range(256)))
    store.put_chunk(sent).result()
    assert store.chunks_of("nanjing", 0, 1000, 100) == ([sent], None)


def test_acknowledged_chunk_survives_reopening(reopen: Callable[[], Store]) -> None:
    reopen().put_chunk(chunk()).result()
    store = reopen()
    assert store.put_chunk(chunk()).result() is False
    assert list(store.chunks_since(0)) == [chunk()]


def test_closing_commits_what_was_queued(reopen: Callable[[], Store]) -> None:
    store = reopen()
    futures = [store.put_chunk(chunk(sequence=i)) for i in range(50)]
    store = reopen()
    assert all(future.result() for future in futures)
    assert len(list(store.chunks_since(0))) == 50


def test_closed_store_takes_nothing_more(reopen: Callable[[], Store]) -> None:
    store = reopen()
    reopen()
    with pytest.raises(StoreBusyError):
        store.put_chunk(chunk())


def test_range_holds_its_start_and_not_its_end(store: Store) -> None:
    for i, start_ns in enumerate((100, 200, 300)):
        store.put_chunk(chunk(sequence=i, start_ns=start_ns)).result()
    found, rest = store.chunks_of("nanjing", 100, 300, 100)
    assert [item.start_ns for item in found] == [100, 200]
    assert rest is None


def test_range_never_mixes_agents(store: Store) -> None:
    store.put_chunk(chunk("nanjing")).result()
    store.put_chunk(chunk("suzhou")).result()
    assert [item.agent for item in store.chunks_of("suzhou", 0, 1000, 10)[0]] == ["suzhou"]


def test_pages_join_to_the_whole_and_never_tear_an_instant_apart(store: Store) -> None:
    starts = [100, 100, 200, 300, 300, 300, 400]
    for i, start_ns in enumerate(starts):
        store.put_chunk(chunk(sequence=i, start_ns=start_ns)).result()
    seen: list[int] = []
    from_ns: int | None = 0
    while from_ns is not None:
        page, from_ns = store.chunks_of("nanjing", from_ns, 1000, 2)
        assert page, "a page that is not the last one holds something"
        assert not set(seen) & {item.start_ns for item in page}
        seen += [item.start_ns for item in page]
    assert seen == starts


def test_everything_since_comes_in_the_order_of_storing(store: Store) -> None:
    for i, start_ns in enumerate((300, 100, 200)):
        store.put_chunk(chunk(sequence=i, start_ns=start_ns)).result()
    assert [item.start_ns for item in store.chunks_since(150)] == [300, 200]


def test_totals_follow_the_newest_window_even_if_old_ones_come_late(store: Store) -> None:
    store.put_chunk(chunk(sequence=1, start_ns=900)).result()
    store.put_chunk(chunk(sequence=0, start_ns=100, received_ns=700)).result()
    totals = store.agent_totals()["nanjing"]
    assert (totals.last_window_ns, totals.last_received_ns) == (910, 700)


def test_newest_plan_is_returned(reopen: Callable[[], Store]) -> None:
    store = reopen()
    for version in (1, 2):
        plan = PlanRecord(agent="nanjing", version=version, content=f"v{version}".encode())
        store.put_plans([plan], 5).result()
    assert reopen().latest_plans()["nanjing"].content == b"v2"


def test_streams_are_remembered_once(store: Store) -> None:
    stream = StreamRecord(
        stream_id=(1 << 48) - 1, agent="nanjing", path="a>b", protocol="udp", type_p="udp4"
    )
    store.put_streams([stream]).result()
    store.put_streams([stream]).result()
    assert store.streams() == [stream]


def test_sites_are_replaced_whole(store: Store) -> None:
    store.put_sites([("a", b"{}"), ("b", b"{}")], 1).result()
    store.put_sites([("a", b"{}")], 2).result()


def test_healthy_store_says_so(store: Store) -> None:
    store.put_chunk(chunk()).result()
    state = store.state()
    assert (state.state, state.reason, state.queued_writes) == ("ok", None, 0)
