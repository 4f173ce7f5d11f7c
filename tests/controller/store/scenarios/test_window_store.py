"""The conformance suite of engines for windows: each must pass all of it.

Series are held to what merging the decoded windows gives, in any order of arrival.
"""

import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.store.interface import OtherBootError, Store, StoreBusyError
from controller.store.levels import DAY, DAY_NS, HOUR, LEVELS, MINUTE, Level, Retention
from controller.store.points import points_of
from controller.store.records import StreamRecord
from controller.store.rollup_blocks import block_of
from controller.store.sqlite.engine import open_store
from messages.chunk import decode_chunk
from probes.window import WindowBatch
from tests.controller.store.stored_chunks import chunk, chunk_of_batch
from tests.memory_store import memory_store

Make = Callable[..., WindowBatch]
Encode = Callable[..., bytes]
T0_NS = 20_000 * DAY_NS
RETENTION = Retention(window_days=2, minute_days=3, hour_days=40, day_days=400)
ENGINES: dict[str, Callable[[pathlib.Path], Store]] = {
    "sqlite": lambda directory: open_store(directory / "data", retention=RETENTION),
    "memory": lambda _: memory_store(retention=RETENTION),
}


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Store]:
    opened = ENGINES[request.param](tmp_path)
    yield opened
    opened.close()


def test_chunk_that_must_stand_alone_is_refused_beside_windows_of_another_boot(
    store: Store,
) -> None:
    assert store.windows.put_chunk(chunk(start_ns=100)).result() is True
    asked = chunk(start_ns=200, boot="b2", counts={})  # without windows nothing is twice
    assert store.windows.put_chunk(asked).result() is True
    for start_ns in (91, 100, 109):
        beside = chunk(boot="b1", sequence=start_ns, start_ns=start_ns)
        with pytest.raises(OtherBootError):
            store.windows.put_chunk(beside, alone=True).result()
    assert (
        store.windows.put_chunk(chunk(boot="b1", start_ns=100, counts={}), alone=True).result()
        is True
    )
    for start_ns in (90, 110, 200):
        fits = chunk(boot="b1", sequence=start_ns, start_ns=start_ns)
        assert store.windows.put_chunk(fits, alone=True).result() is True
    assert store.windows.put_chunk(chunk(start_ns=100), alone=True).result() is False  # it is there
    assert store.windows.put_chunk(chunk(sequence=1, start_ns=100), alone=True).result() is True
    assert (
        store.windows.put_chunk(chunk("suzhou", start_ns=100, boot="b1"), alone=True).result()
        is True
    )


def test_chunk_is_stored_once_however_often_it_comes(store: Store) -> None:
    assert store.windows.put_chunk(chunk()).result() is True
    assert store.windows.put_chunk(chunk()).result() is False
    assert len(store.windows.chunks_of("nanjing", 0, 1000, 100)[0]) == 1
    assert store.windows.agent_totals()["nanjing"].results == {"windows": 3}


def test_the_store_says_what_it_holds_under_a_name(store: Store) -> None:
    store.windows.put_chunk(chunk()).result()
    store.windows.put_chunk(chunk(sequence=8, counts={})).result()
    first = chunk()
    assert store.windows.counts_of(first.agent, first.boot, first.sequence) == {"windows": 3}
    assert store.windows.counts_of(first.agent, first.boot, 8) == {}
    assert store.windows.counts_of(first.agent, "another", first.sequence) is None


def test_same_sequence_after_a_reboot_is_another_chunk(store: Store) -> None:
    assert store.windows.put_chunk(chunk(boot="b0")).result() is True
    assert store.windows.put_chunk(chunk(boot="b1")).result() is True
    assert store.windows.agent_totals()["nanjing"].chunks == 2


def test_chunk_comes_back_exactly_as_received(store: Store) -> None:
    sent = chunk(payload=bytes(range(256)))
    store.windows.put_chunk(sent).result()
    assert store.windows.chunks_of("nanjing", 0, 1000, 100) == ([sent], None)


def test_closed_store_takes_nothing_more(store: Store) -> None:
    store.close()
    with pytest.raises(StoreBusyError):
        store.windows.put_chunk(chunk())


def test_range_holds_its_start_and_not_its_end(store: Store) -> None:
    for i, start_ns in enumerate((100, 200, 300)):
        store.windows.put_chunk(chunk(sequence=i, start_ns=start_ns)).result()
    found, rest = store.windows.chunks_of("nanjing", 100, 300, 100)
    assert [item.start_ns for item in found] == [100, 200]
    assert rest is None


def test_range_never_mixes_agents(store: Store) -> None:
    store.windows.put_chunk(chunk("nanjing")).result()
    store.windows.put_chunk(chunk("suzhou")).result()
    assert [item.agent for item in store.windows.chunks_of("suzhou", 0, 1000, 10)[0]] == ["suzhou"]


def test_pages_join_to_the_whole_and_never_tear_an_instant_apart(store: Store) -> None:
    starts = [100, 100, 200, 300, 300, 300, 400]
    for i, start_ns in enumerate(starts):
        store.windows.put_chunk(chunk(sequence=i, start_ns=start_ns)).result()
    seen: list[int] = []
    from_ns: int | None = 0
    while from_ns is not None:
        page, from_ns = store.windows.chunks_of("nanjing", from_ns, 1000, 2)
        assert page, "a page that is not the last one holds something"
        assert not set(seen) & {item.start_ns for item in page}
        seen += [item.start_ns for item in page]
    assert seen == starts


def test_everything_since_comes_once_oldest_first_and_then_as_stored(store: Store) -> None:
    starts = [300, 100, *[200] * 600]  # more of one instant than are read at once
    stored = [
        store.windows.put_chunk(chunk(sequence=i, start_ns=start_ns))
        for i, start_ns in enumerate(starts)
    ]
    assert all(each.result() for each in stored)
    found = [(item.start_ns, item.sequence) for item in store.windows.chunks_since(150)]
    assert found == [*((200, i) for i in range(2, 602)), (300, 0)]


def test_totals_follow_the_newest_window_even_if_old_ones_come_late(store: Store) -> None:
    store.windows.put_chunk(chunk(sequence=1, start_ns=900)).result()
    store.windows.put_chunk(chunk(sequence=0, start_ns=100, received_ns=700)).result()
    totals = store.windows.agent_totals()["nanjing"]
    assert (totals.last_window_ns, totals.last_received_ns) == (910, 700)


def test_healthy_store_says_so(store: Store) -> None:
    store.windows.put_chunk(chunk()).result()
    state = store.state()
    assert (state.state, state.reason, state.queued_writes) == ("ok", None, 0)


# Series


def stream(stream_id: int, agent: str = "nanjing") -> StreamRecord:
    return StreamRecord(stream_id=stream_id, agent=agent, path="a>b", protocol="udp", type_p="udp4")


class Filling:
    """Puts windows into a store and remembers them."""

    def __init__(self, store: Store, encode: Encode) -> None:
        self._store, self._encode = store, encode
        self.batches: dict[str, list[WindowBatch]] = {}
        self._sequence = 0

    def put(self, batch: WindowBatch, agent: str = "nanjing") -> None:
        payload = self._encode(batch, agent=agent, sequence=self._sequence)
        item = chunk_of_batch(
            batch,
            payload,
            agent,
            self._sequence,
            received_ns=batch.start_ns + batch.duration_ns,
        )
        self._sequence += 1
        assert self._store.windows.put_chunk(item).result()
        # As the store has it: delays are sent as whole nanoseconds.
        self.batches.setdefault(agent, []).append(decode_chunk(payload).batch)

    def expected(
        self, level: Level, stream_id: int, agent: str = "nanjing"
    ) -> dict[int, NDArray[np.void]]:
        """Return the points by start, made of all windows at once."""
        buckets: dict[int, list[WindowBatch]] = {}
        for batch in self.batches[agent]:
            start_ns = batch.start_ns // level.step_ns * level.step_ns
            buckets.setdefault(start_ns, []).append(batch)
        found = {}
        for start_ns, batches in buckets.items():
            block = block_of(batches)
            row = np.flatnonzero(block.stream_id == np.uint64(stream_id))
            if len(row):
                found[start_ns] = points_of(block.aggregate)[row[0]]
        return found


@pytest.fixture
def filling(store: Store, chunk_of: Encode) -> Filling:
    return Filling(store, chunk_of)


def roll_all_up(store: Store, now_ns: int = T0_NS + 60 * DAY_NS) -> None:
    for later in range(5):
        while store.rollups.roll_up(now_ns + later * HOUR.step_ns, 100):
            pass
    assert store.rollups.pending() == 0


def check(store: Store, filling: Filling, level: Level, stream_id: int) -> int:
    answer = store.series.read(
        [stream(stream_id)], T0_NS, T0_NS + 50 * DAY_NS, step_ns=level.step_ns
    )
    expected = filling.expected(level, stream_id)
    assert (answer.level, answer.step_ns) == (level.name, level.step_ns)
    assert answer.start_ns.tolist() == sorted(expected)
    for start_ns, point in zip(answer.start_ns.tolist(), answer.points, strict=True):
        assert repr(point.item()) == repr(expected[start_ns].item())  # NaN is NaN here
    return len(expected)


@pytest.fixture
def varied(batch_of: Make) -> Callable[[int, int], WindowBatch]:
    """Return windows of a few streams at a time, as varied as a seed makes them."""

    def make(seed: int, start_ns: int) -> WindowBatch:
        rng = np.random.default_rng(seed)
        ids = sorted(rng.choice([3, 5, 9], rng.integers(1, 4), replace=False).tolist())
        lost = int(rng.choice([0, 0, 3, 10]))
        return batch_of(
            ids,
            start_ns,
            rtt_ns=float(rng.integers(2_000_000, 9_000_000)),
            forward_ns=None if rng.random() < 0.3 else 1_200_000.0,
            lost=lost,
            clock_bound_ns=float("nan") if rng.random() < 0.3 else 900.0,
            suspect=bool(rng.random() < 0.3),
        )

    return make


def test_every_level_is_exactly_the_merge_of_its_windows(
    store: Store, filling: Filling, varied: Callable[[int, int], WindowBatch]
) -> None:
    rng = np.random.default_rng(7)
    starts = rng.choice(np.arange(0, 3 * DAY_NS, 10_000_000_000), 60, replace=False)
    starts = np.concatenate([starts, np.arange(0, 600, 10) * 1_000_000_000])
    for seed, start_ns in enumerate(np.unique(starts).tolist()):
        filling.put(varied(seed, T0_NS + start_ns))
    roll_all_up(store)
    for level in LEVELS:
        assert sum(check(store, filling, level, i) for i in (3, 5, 9)) > 3


def test_late_windows_are_in_every_level_as_if_they_had_come_in_time(
    store: Store, filling: Filling, varied: Callable[[int, int], WindowBatch]
) -> None:
    for seed in range(12):
        filling.put(varied(seed, T0_NS + seed * 20_000_000_000))
    roll_all_up(store)
    for seed in range(12, 24):
        filling.put(varied(seed, T0_NS + (seed - 12) * 20_000_000_000 + 10_000_000_000))
    filling.put(varied(99, T0_NS + 2 * HOUR.step_ns))
    roll_all_up(store)
    for level in LEVELS:
        for stream_id in (3, 5, 9):
            check(store, filling, level, stream_id)


def test_minutes_can_be_read_before_their_hour_is_over(
    store: Store, filling: Filling, batch_of: Make
) -> None:
    for second in range(0, 180, 10):
        filling.put(batch_of([5], T0_NS + second * 1_000_000_000))
    store.rollups.roll_up(T0_NS + 2 * MINUTE.step_ns + 40_000_000_000, 100)
    answer = store.series.read([stream(5)], T0_NS, T0_NS + DAY_NS, step_ns=MINUTE.step_ns)
    assert answer.start_ns.tolist() == [T0_NS, T0_NS + MINUTE.step_ns]
    assert answer.points["sent"].tolist() == [60, 60]


def test_windows_are_a_level_too(store: Store, filling: Filling, batch_of: Make) -> None:
    for second in (0, 10, 20):
        filling.put(batch_of([5, 7], T0_NS + second * 1_000_000_000, lost=second // 10))
    answer = store.series.read([stream(7)], T0_NS, T0_NS + 20_000_000_000, max_points=1000)
    assert answer.level == "window"
    assert answer.stream_id.tolist() == [7, 7]
    assert answer.points["received"].tolist() == [10, 9]
    assert answer.duration_ns.tolist() == [10_000_000_000] * 2


def test_streams_of_several_agents_come_in_order(
    store: Store, filling: Filling, batch_of: Make
) -> None:
    filling.put(batch_of([9], T0_NS), "suzhou")
    filling.put(batch_of([5], T0_NS), "nanjing")
    roll_all_up(store)
    asked = [stream(9, "suzhou"), stream(5, "nanjing")]
    for step_ns in (1, MINUTE.step_ns, HOUR.step_ns, DAY.step_ns):
        answer = store.series.read(asked, T0_NS, T0_NS + DAY_NS, step_ns=step_ns)
        assert answer.stream_id.tolist() == [5, 9]


def test_nothing_stored_is_an_empty_series(store: Store) -> None:
    assert len(store.series.read([stream(5)], 0, 10 * DAY_NS, max_points=100).points) == 0
    assert len(store.series.read([], 0, 10 * DAY_NS).points) == 0


def test_young_store_answers_a_long_range_with_what_it_has(
    store: Store, filling: Filling, batch_of: Make
) -> None:
    filling.put(batch_of([5], T0_NS))
    answer = store.series.read([stream(5)], T0_NS - 300 * DAY_NS, T0_NS + HOUR.step_ns)
    assert (answer.level, len(answer.points)) == ("window", 1)


def test_windows_are_forgotten_when_their_time_is_over(
    store: Store, filling: Filling, batch_of: Make
) -> None:
    for day in range(6):
        filling.put(batch_of([5], T0_NS + day * DAY_NS))
    now_ns = T0_NS + 5 * DAY_NS + HOUR.step_ns
    while store.rollups.roll_up(now_ns, 100):
        pass
    while store.rollups.expire(now_ns):
        pass
    kept = [(item.start_ns - T0_NS) // DAY_NS for item in store.windows.chunks_since(0)]
    assert set(kept) >= {4, 5}
    assert not set(kept) & {0, 1}
    assert store.windows.agent_totals()["nanjing"].chunks == 6


def test_merged_hours_hold_all_that_is_stored_of_them_or_are_missing(
    store: Store, filling: Filling, batch_of: Make
) -> None:
    def sent() -> dict[int, list[int]]:
        hours = store.series.hours_of("nanjing", T0_NS, T0_NS + 2 * HOUR.step_ns)
        return {
            (start_ns - T0_NS) // HOUR.step_ns: block.aggregate.counters["sent"].tolist()
            for start_ns, block in hours
        }

    for hour in range(3):
        filling.put(batch_of([5, 7], T0_NS + hour * HOUR.step_ns))
    filling.put(batch_of([9], T0_NS), "suzhou")
    assert sent() == {}
    roll_all_up(store)
    assert sent() == {0: [10, 10], 1: [10, 10]}
    filling.put(batch_of([7], T0_NS + HOUR.step_ns + 70_000_000_000))  # late
    assert sent() in ({0: [10, 10]}, {0: [10, 10], 1: [10, 20]})
    roll_all_up(store)
    assert sent() == {0: [10, 10], 1: [10, 20]}
