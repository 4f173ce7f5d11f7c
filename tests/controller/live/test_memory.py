"""What is judged depends on which windows there are, and on nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.live.memory import RecentWindows
from controller.store.aggregate import Aggregate, aggregate_of, blank
from controller.store.merging import merge, merge_by_blocks
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, WindowBatch

SECOND = 1_000_000_000
PERIOD_NS = 900 * SECOND
NOW_NS = 1_000_000 * SECOND
Make = Callable[..., WindowBatch]


def whole(memory: RecentWindows) -> Aggregate:
    snapshot = memory.snapshot()
    slots = memory.merged(snapshot)
    memory.replace(snapshot, slots)
    return memory.whole(slots)


def same(a: Aggregate, b: Aggregate) -> bool:
    return (
        all(np.array_equal(a.counters[name], b.counters[name]) for name in COUNTERS)
        and all(np.allclose(a.total_ns[d], b.total_ns[d], equal_nan=True) for d in a.total_ns)
        and all(np.array_equal(a.least_ns[d], b.least_ns[d], equal_nan=True) for d in a.least_ns)
        and all(np.array_equal(a.most_ns[d], b.most_ns[d], equal_nan=True) for d in a.most_ns)
        and all(
            np.array_equal(
                getattr(a.distributions[name], field), getattr(b.distributions[name], field)
            )
            for name in DISTRIBUTIONS
            for field in ("indptr", "bucket", "count")
        )
        and np.array_equal(a.clock_bound_ns, b.clock_bound_ns, equal_nan=True)
        and np.array_equal(a.windows.indptr, b.windows.indptr)
        and np.array_equal(a.windows.start_ns, b.windows.start_ns)
        and np.array_equal(a.end_ns, b.end_ns)
        and np.array_equal(a.timestamping, b.timestamping)
        and np.array_equal(a.suspect, b.suspect)
    )


def test_windows_of_a_stream_add_up(batch_of: Make) -> None:
    memory = RecentWindows([7, 5], PERIOD_NS)
    memory.add(batch_of([5], NOW_NS, sent=10, lost=1, rtt_ns=4e6))
    memory.add(batch_of([5], NOW_NS + 10 * SECOND, sent=10, lost=0, rtt_ns=6e6, forward_ns=3e6))
    aggregate = whole(memory)
    assert aggregate.counters["sent"].tolist() == [0, 20]
    assert aggregate.distributions["rtt"].totals().tolist() == [0, 19]
    assert aggregate.total_ns["rtt"][1] == 9 * 4e6 + 10 * 6e6
    assert (aggregate.least_ns["rtt"][1], aggregate.most_ns["rtt"][1]) == (4e6, 6e6)
    assert aggregate.windows.indptr.tolist() == [0, 0, 2]
    assert aggregate.windows.lost.tolist() == [1, 0]


def test_stream_without_windows_is_unknown_not_zero(batch_of: Make) -> None:
    memory = RecentWindows([7, 5], PERIOD_NS)
    memory.add(batch_of([5], NOW_NS))
    aggregate = whole(memory)
    assert np.isnan(aggregate.total_ns["rtt"][0])
    assert np.isnan(aggregate.clock_bound_ns[0])
    assert aggregate.end_ns[0] == 0


def test_streams_that_are_not_planned_any_more_are_left_out(batch_of: Make) -> None:
    memory = RecentWindows([7], PERIOD_NS)
    memory.add(batch_of([5, 7, 9], NOW_NS))
    memory.add(batch_of([99], NOW_NS))
    assert whole(memory).counters["sent"].tolist() == [10]


def test_memory_without_streams_takes_anything(batch_of: Make) -> None:
    memory = RecentWindows([], PERIOD_NS)
    memory.add(batch_of([5], NOW_NS))
    assert whole(memory).row.tolist() == []


def test_windows_before_the_period_are_forgotten(batch_of: Make) -> None:
    memory = RecentWindows([5], PERIOD_NS)
    memory.add(batch_of([5], NOW_NS - 2 * PERIOD_NS))
    memory.add(batch_of([5], NOW_NS - PERIOD_NS // 2))
    memory.forget(NOW_NS)
    assert whole(memory).counters["sent"].tolist() == [10]


def test_windows_at_the_horizon_are_kept(batch_of: Make) -> None:
    memory = RecentWindows([5], PERIOD_NS)
    memory.add(batch_of([5], memory.horizon_ns(NOW_NS)))
    memory.add(batch_of([5], memory.horizon_ns(NOW_NS) - 1))
    memory.forget(NOW_NS)
    assert whole(memory).counters["sent"].tolist() == [10]


def test_starved_windows_count_only_where_there_are_no_others(batch_of: Make) -> None:
    memory = RecentWindows([5, 7], PERIOD_NS)
    memory.add(batch_of([5, 7], NOW_NS, rtt_ns=50e6, suspect=True))
    memory.add(batch_of([5], NOW_NS + 100 * SECOND))
    aggregate = whole(memory)
    assert aggregate.most_ns["rtt"].tolist() == [4e6, 50e6]
    assert aggregate.suspect.tolist() == [False, True]


def test_one_way_delays_without_trusted_clocks_give_way_to_trusted_ones(batch_of: Make) -> None:
    memory = RecentWindows([5, 7], PERIOD_NS)
    memory.add(batch_of([5, 7], NOW_NS, forward_ns=-9e6, clock_bound_ns=np.nan))
    memory.add(batch_of([5], NOW_NS + 10 * SECOND, forward_ns=2e6, clock_bound_ns=500.0))
    memory.add(batch_of([5], NOW_NS + 200 * SECOND, forward_ns=2e6, clock_bound_ns=900.0))
    aggregate = whole(memory)
    assert aggregate.least_ns["forward"].tolist() == [2e6, -9e6]
    assert aggregate.distributions["rtt"].totals().tolist() == [30, 10]
    assert aggregate.clock_bound_ns[0] == 900.0
    assert np.isnan(aggregate.clock_bound_ns[1])


def test_merging_in_between_does_not_change_the_result(batch_of: Make) -> None:
    batches = [
        batch_of([5, 7], NOW_NS + i * 10 * SECOND, lost=i % 3, suspect=i % 4 == 0)
        for i in range(30)
    ]
    once, often = RecentWindows([5, 7], PERIOD_NS), RecentWindows([5, 7], PERIOD_NS)
    for batch in batches:
        once.add(batch)
        often.add(batch)
        whole(often)
    assert same(whole(once), whole(often))


@given(st.permutations(range(8)), st.integers(1, 7))
def test_order_and_grouping_of_parts_do_not_matter(order: list[int], cut: int) -> None:
    rng = np.random.default_rng(1)
    aggregates = [_part(rng) for _ in range(8)]
    shuffled = [aggregates[i] for i in order]
    halves = [merge(shuffled[:cut], 4), merge(shuffled[cut:], 4)]
    assert same(merge(aggregates, 4), merge(halves, 4))


@given(st.integers(0, 1000), st.integers(1, 4))
def test_merging_some_streams_at_a_time_is_merging_at_once(seed: int, rows_at_once: int) -> None:
    rng = np.random.default_rng(seed)
    aggregates = [blank(4), *(_part(rng) for _ in range(5))]
    assert same(merge(aggregates, 4), merge_by_blocks(aggregates, 4, rows_at_once))


def _part(rng: np.random.Generator) -> Aggregate:
    """Return one random window of each of three streams of four."""
    rows = np.sort(rng.choice(4, 3, replace=False))
    return aggregate_of(_random_batch(rng), np.arange(3), rows)


def _random_batch(rng: np.random.Generator) -> WindowBatch:
    empty = WindowBatch.empty(int(rng.integers(1, 50)), 10)
    samples = np.sort(rng.integers(0, 3, 12))
    return replace(
        empty,
        stream_id=np.arange(3, dtype=np.uint64),
        counters={name: rng.integers(0, 9, 3).astype(np.uint32) for name in COUNTERS},
        measures={
            name: np.where(rng.random(3) < 0.3, np.nan, rng.integers(1, 99, 3)) for name in MEASURES
        },
        distributions={
            name: Histograms.from_samples(samples, rng.integers(1, 10**7, 12), 3)
            for name in DISTRIBUTIONS
        },
        timestamping=rng.integers(0, 4, 3).astype(np.uint8),
        suspect=rng.random(3) < 0.4,
    )


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(0, 9), max_size=8, unique=True),
    st.booleans(),
)
def test_memory_for_other_streams_is_as_if_it_had_been_theirs_from_the_beginning(
    batch_of: Make, before: list[int], after: list[int], merged: bool
) -> None:

    ids = sorted(set(before), reverse=True)
    batches = [
        batch_of(ids[: 1 + i % len(ids)], NOW_NS + i * 40 * SECOND, lost=i, rtt_ns=4e6 + i)
        for i in range(5)
    ]
    memory, wanted = RecentWindows(before, PERIOD_NS), RecentWindows(after, PERIOD_NS)
    kept = [number for number, stream in enumerate(after) if stream in before]
    for batch in batches:
        memory.add(batch)
        wanted.add(batch)
    if merged:
        whole(memory)
    found, expected = whole(memory.renumbered(after)), whole(wanted)
    assert same(found, expected)
    assert all(found.counters["sent"][i] == 0 for i in range(len(after)) if i not in kept)


def test_memory_can_be_added_up_while_it_is_filled(batch_of: Make) -> None:
    plain, compact = RecentWindows([5, 7], PERIOD_NS), RecentWindows([5, 7], PERIOD_NS)
    for i in range(6):
        for memory in (plain, compact):
            memory.add(batch_of([7, 5], NOW_NS + i * 10 * SECOND, sent=10 + i))
        compact.compact()
    assert {len(aggregates) for aggregates in compact.snapshot().values()} == {1}
    assert same(whole(plain), whole(compact))
