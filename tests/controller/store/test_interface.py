"""What every store on disk must do beside the conformance of its windows (test_window_store)."""

import pathlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.store.interface import Store, StoreBusyError
from controller.store.records import PlanRecord, StreamRecord
from controller.store.sqlite.engine import open_store
from tests.controller.store.stored_campaigns import campaign
from tests.controller.store.stored_chunks import chunk

ENGINES: dict[str, Callable[[pathlib.Path], Store]] = {"sqlite": open_store}


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


def test_acknowledged_chunk_survives_reopening(reopen: Callable[[], Store]) -> None:
    reopen().windows.put_chunk(chunk()).result()
    store = reopen()
    assert store.windows.put_chunk(chunk()).result() is False
    assert list(store.windows.chunks_since(0)) == [chunk()]


def test_closing_commits_what_was_queued(reopen: Callable[[], Store]) -> None:
    store = reopen()
    futures = [store.windows.put_chunk(chunk(sequence=i)) for i in range(50)]
    store = reopen()
    assert all(future.result() for future in futures)
    assert len(list(store.windows.chunks_since(0))) == 50


def test_closed_store_takes_nothing_more(reopen: Callable[[], Store]) -> None:
    store = reopen()
    reopen()
    with pytest.raises(StoreBusyError):
        store.windows.put_chunk(chunk())


def test_newest_plan_is_returned(reopen: Callable[[], Store]) -> None:
    store = reopen()
    for version in (1, 2):
        plan = PlanRecord(agent="nanjing", version=version, content=f"v{version}".encode())
        store.plans.put([plan], 5).result()
    assert reopen().plans.latest()["nanjing"].content == b"v2"


def test_a_thousand_versions_of_a_plan_are_kept(store: Store) -> None:
    for version in (1, 2, 1000, 1001, 1002):
        plan = PlanRecord(agent="nanjing", version=version, content=b"{}" * version)
        store.plans.put([plan, replace(plan, agent="suzhou", version=version + 5)], 1).result()
    found = store.plans.history("nanjing", 1 << 62, 100)
    assert [plan.version for plan in found] == [1002, 1001, 1000]
    assert found[0].content == b"{}" * 1002
    assert [plan.version for plan in store.plans.history("suzhou", 8, 9)] == []


def test_streams_are_remembered_once(store: Store) -> None:
    stream = StreamRecord(
        stream_id=(1 << 48) - 1, agent="nanjing", path="a>b", protocol="udp", type_p="udp4"
    )
    store.streams.put([stream]).result()
    store.streams.put([stream]).result()
    assert store.streams.all() == [stream]


def test_sites_are_replaced_whole(store: Store) -> None:
    store.sites.put([("a", b"{}"), ("b", b"{}")], 1).result()
    store.sites.put([("a", b"{}")], 2).result()


def test_campaigns_are_kept_with_what_became_of_them(reopen: Callable[[], Store]) -> None:
    campaigns = reopen().campaigns
    number = campaigns.put(campaign("a")).result()
    assert campaigns.put(campaign("a", streams=9)).result() == 0
    campaigns.put(campaign("b")).result()
    changed = campaign("a", id=number, begun_ns=11, ended_ns=15, ended_by="me", refused=1)
    campaigns.change(changed).result()
    first, second = reopen().campaigns.records()
    assert first == changed
    assert (first.state, second.state) == ("cancelled", "scheduled")
