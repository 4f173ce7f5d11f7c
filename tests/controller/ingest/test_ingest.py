from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest

from controller.api.error_answers import status_of
from controller.domain_errors import RefusedError
from controller.fleet.agents import Fleet
from controller.ingest.ingest import MAX_AHEAD_NS, Ingest
from controller.ingest.intakes import LATER_S
from controller.ingest.uploads import BUSY_RETRY_S, MAX_IN_HAND_BYTES
from controller.store.interface import Store
from controller.store.levels import DAY_NS, KEPT
from controller.store.records import PlanRecord, StreamRecord
from foundation.clock import SystemClock
from messages.exchange import MAX_CHUNK_BYTES, Plan
from messages.frame import seal
from probes.window import WindowBatch

NOW_NS = 1_800_000_000_000_000_000
Make = Callable[..., WindowBatch]
Encode = Callable[..., bytes]


class Stopped(SystemClock):
    def wall_ns(self) -> int:
        return NOW_NS


class Bench:
    """An ingest over a real store, and what it passed on."""

    def __init__(self, store: Store) -> None:
        owners = {5: "nanjing", 7: "nanjing", 9: "suzhou"}
        streams = [
            StreamRecord(stream_id=i, agent=name, path="a>b", protocol="udp", type_p="udp4")
            for i, name in owners.items()
        ]
        self.passed: list[WindowBatch] = []
        self.fleet = Fleet(["nanjing", "suzhou"], {}, Stopped())
        self.ingest = Ingest(store, self.fleet, Stopped(), streams, self.passed.append)
        self.store = store


@pytest.fixture
def bench(store: Store) -> Iterator[Bench]:
    made = Bench(store)
    yield made
    made.ingest.close()


async def test_chunk_is_acknowledged_once_it_is_stored(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5, 7], NOW_NS), agent="nanjing", sequence=3)
    answer = await bench.ingest.accept("nanjing", body)
    assert (answer.sequence, answer.duplicate) == (3, False)
    assert [chunk.payload for chunk in bench.store.windows.chunks_since(0)] == [body]
    assert bench.passed[0].stream_id.tolist() == [5, 7]
    assert bench.fleet.now().state("nanjing") == "ok"


async def test_duplicate_is_acknowledged_and_judged_only_once(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5], NOW_NS), agent="nanjing", sequence=3)
    answers = [await bench.ingest.accept("nanjing", body) for _ in range(3)]
    assert [answer.duplicate for answer in answers] == [False, True, True]
    assert len(bench.passed) == 1
    assert (bench.ingest.chunks, bench.ingest.duplicates) == (1, 2)
    assert bench.fleet.now().agents["nanjing"].results == {"windows": 1}


async def refused(bench: Bench, name: str, body: bytes) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await bench.ingest.accept(name, body)
    assert bench.ingest.refused == {caught.value.code: 1}
    assert list(bench.store.windows.chunks_since(0)) == []
    assert bench.passed == []
    return caught.value


async def test_agent_that_is_not_in_the_site_file_is_refused(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    error = await refused(bench, "wuxi", chunk_of(batch_of([5], NOW_NS), agent="wuxi", sequence=0))
    assert (status_of(error), error.code) == (404, "unknown_agent")


async def test_chunk_of_another_agent_is_refused(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5], NOW_NS), agent="nanjing", sequence=0)
    assert (await refused(bench, "suzhou", body)).code == "foreign_chunk"


async def test_streams_of_another_agent_are_refused_and_named(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5, 9], NOW_NS), agent="nanjing", sequence=0)
    error = await refused(bench, "nanjing", body)
    assert (status_of(error), error.code) == (409, "foreign_streams")
    assert error.fields["stream_ids"] == [9]


@pytest.mark.parametrize("duration_ns", [1, 1_000_000_000, 10_000_000_001, 3_600_000_000_000])
async def test_windows_of_a_length_that_no_plan_asked_for_are_refused_and_told(
    bench: Bench, batch_of: Make, chunk_of: Encode, duration_ns: int
) -> None:
    start_ns = NOW_NS - 3_600_000_000_000
    body = chunk_of(batch_of([5], start_ns, duration_ns=duration_ns), agent="nanjing", sequence=0)
    error = await refused(bench, "nanjing", body)
    assert (status_of(error), error.code, error.retry_after_s) == (409, "foreign_windows", LATER_S)
    assert error.fields["duration_ns"] == duration_ns
    assert f"{duration_ns / 1e9:,.9g} s" in error.text.en


async def test_a_backlog_of_a_plan_with_other_windows_is_taken(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    """Whatever version its chunks name: a window may end just after the next plan is applied."""
    for version, window_ms in enumerate([60_000, *[10_000] * 30], 1):
        content = msgspec.json.encode(Plan(version=0, agent="nanjing", window_ms=window_ms))
        bench.store.plans.put(
            [PlanRecord(agent="nanjing", version=version, content=content)], NOW_NS
        ).result()
    batch = batch_of([5], NOW_NS - 60_000_000_000, duration_ns=60_000_000_000)
    await bench.ingest.accept("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    assert len(bench.passed) == 1
    batch = batch_of([9], NOW_NS - 60_000_000_000, duration_ns=60_000_000_000)
    with pytest.raises(RefusedError, match=r"60 s.*suzhou"):
        await bench.ingest.accept("suzhou", chunk_of(batch, agent="suzhou", sequence=0))


@pytest.mark.parametrize("body", [b"", b"not zstd", seal(b"not msgpack")])
async def test_malformed_body_is_refused(bench: Bench, body: bytes) -> None:
    error = await refused(bench, "nanjing", body)
    assert (status_of(error), error.code) == (400, "malformed_chunk")


async def test_torn_chunk_is_refused_whole(bench: Bench, batch_of: Make, chunk_of: Encode) -> None:
    body = chunk_of(batch_of([5, 7], NOW_NS), agent="nanjing", sequence=0)
    assert (await refused(bench, "nanjing", body[: len(body) // 2])).code == "malformed_chunk"


async def test_stream_twice_in_a_chunk_is_refused(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5, 5], NOW_NS), agent="nanjing", sequence=0)
    assert (await refused(bench, "nanjing", body)).code == "malformed_chunk"


async def test_oversized_body_is_refused(bench: Bench) -> None:
    error = await refused(bench, "nanjing", bytes(MAX_CHUNK_BYTES + 1))
    assert (status_of(error), error.code) == (413, "oversized")


async def test_windows_from_the_far_future_are_refused(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5], NOW_NS + MAX_AHEAD_NS), agent="nanjing", sequence=0)
    error = await refused(bench, "nanjing", body)
    assert (status_of(error), error.code, error.retry_after_s) == (409, "future_dated", LATER_S)


async def test_a_chunk_of_another_version_may_be_read_later(
    bench: Bench, batch_of: Make, chunk_of: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("messages.chunk.SCHEMA_VERSION", 99)
        body = chunk_of(batch_of([5], NOW_NS), agent="nanjing", sequence=0)
    assert (await refused(bench, "nanjing", body)).code == "other_version"


async def test_a_chunk_without_windows_asks_whether_its_like_is_here(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    def ask(sequence: int) -> bytes:
        return chunk_of(WindowBatch.empty(NOW_NS, 1), agent="nanjing", sequence=sequence)

    body = chunk_of(batch_of([5], NOW_NS), agent="nanjing", sequence=1)
    await bench.ingest.accept("nanjing", body)
    assert (await bench.ingest.accept("nanjing", ask(1))).duplicate
    for _ in range(3):  # asked again, it finds no answer in itself
        assert not (await bench.ingest.accept("nanjing", ask(2))).duplicate
    assert bench.store.rollups.pending() == 1
    assert [chunk.windows for chunk in bench.store.windows.chunks_since(0)] == [1, 0]


async def test_windows_a_little_ahead_are_taken(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    body = chunk_of(batch_of([5], NOW_NS + 1), agent="nanjing", sequence=0)
    assert not (await bench.ingest.accept("nanjing", body)).duplicate


async def test_backlog_of_a_week_is_taken(bench: Bench, batch_of: Make, chunk_of: Encode) -> None:
    body = chunk_of(batch_of([5], NOW_NS - 7 * DAY_NS), agent="nanjing", sequence=0)
    assert not (await bench.ingest.accept("nanjing", body)).duplicate
    assert np.array_equal(bench.passed[0].stream_id, [5])


async def test_windows_older_than_what_is_kept_are_refused(
    bench: Bench, batch_of: Make, chunk_of: Encode
) -> None:
    start_ns = KEPT.oldest_ns("window", NOW_NS) - 1
    error = await refused(
        bench, "nanjing", chunk_of(batch_of([5], start_ns), agent="nanjing", sequence=0)
    )
    assert (status_of(error), error.code, error.retry_after_s) == (409, "expired", LATER_S)


def test_more_bodies_than_fit_are_sent_away_with_a_time_to_come_back(bench: Bench) -> None:
    with bench.ingest.uploads.in_hand(MAX_IN_HAND_BYTES):
        with pytest.raises(RefusedError) as caught, bench.ingest.uploads.in_hand(1):
            pass
        assert (status_of(caught.value), caught.value.retry_after_s) == (429, BUSY_RETRY_S)
        assert bench.ingest.refused == {"busy": 1}
    with bench.ingest.uploads.in_hand(MAX_IN_HAND_BYTES + 1):
        pass  # one alone is always taken
