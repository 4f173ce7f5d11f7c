"""Parts are added up some streams at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.store.aggregate import Aggregate, aggregate_of, blank
from controller.store.merging import in_batches, in_blocks, merge, merge_by_blocks
from probes.window import WindowBatch

Make = Callable[..., WindowBatch]


def _part(batch_of: Make, streams: list[int], start_ns: int) -> Aggregate:
    ids = np.arange(1, len(streams) + 1)
    batch = batch_of(ids.tolist(), start_ns, lost=start_ns % 3)
    return aggregate_of(batch, np.arange(len(streams)), np.array(streams))


def test_blocks_hold_only_parts_that_have_something_there(batch_of: Make) -> None:
    aggregates = [blank(5), _part(batch_of, [0, 1], 1), _part(batch_of, [4], 1)]
    blocks = list(in_blocks(aggregates, 5, rows_at_once=2))
    assert [[aggregate.row.tolist() for aggregate in block] for block in blocks] == [
        [[0, 1], [0, 1]],
        [[2, 3]],
        [[4], [4]],
    ]


def test_batches_keep_the_order_and_lose_nothing(batch_of: Make) -> None:
    aggregates = [_part(batch_of, list(range(size)), 1) for size in (9, 1, 1, 1, 3, 8)]
    found = in_batches(aggregates, most=4)
    assert [aggregate for some in found for aggregate in some] == aggregates
    assert max(len(some) for some in found) < len(aggregates)
    assert in_batches([]) == []


def test_suspect_windows_count_only_where_there_are_no_others(batch_of: Make) -> None:
    def of(start_ns: int, **how: Any) -> Aggregate:
        return aggregate_of(batch_of([1], start_ns, **how), np.arange(1), np.zeros(1, np.int64))

    good, starved = of(1, lost=1), of(2, lost=9, suspect=True)
    both = merge([good, starved], 1)
    assert (both.counters["lost_unknown"].tolist(), both.suspect.tolist()) == ([1], [False])
    assert both.windows.start_ns.tolist() == [1]
    assert both.end_ns > both.counted_end_ns  # the newest is known all the same
    alone = merge([starved, starved], 1)
    assert (alone.counters["lost_unknown"].tolist(), alone.suspect.tolist()) == ([18], [True])


def test_one_way_delays_count_only_where_clocks_are_trusted_if_any_are(batch_of: Make) -> None:
    def of(start_ns: int, **how: Any) -> Aggregate:
        return aggregate_of(batch_of([1], start_ns, **how), np.arange(1), np.zeros(1, np.int64))

    trusted = of(1, forward_ns=1e6)
    doubted = of(2, forward_ns=3e6, clock_bound_ns=float("nan"))
    both = merge([trusted, doubted], 1)
    assert both.distributions["forward"].totals().tolist() == [10]
    assert both.distributions["rtt"].totals().tolist() == [20]
    assert np.isnan(both.windows.forward_mean_ns).tolist() == [False, True]
    assert merge([doubted], 1).distributions["forward"].totals().tolist() == [10]


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 9), min_size=1), max_size=4), st.integers(1, 11))
def test_merging_some_streams_at_a_time_gives_what_merging_all_at_once_gives(
    batch_of: Make, streams: list[set[int]], at_once: int
) -> None:
    parts = [_part(batch_of, sorted(some), start_ns) for start_ns, some in enumerate(streams)]
    whole, blockwise = merge(parts, 10), merge_by_blocks(parts, 10, at_once)
    assert whole.row.tolist() == blockwise.row.tolist()
    assert whole.counters["sent"].tolist() == blockwise.counters["sent"].tolist()
    assert whole.windows.indptr.tolist() == blockwise.windows.indptr.tolist()
    assert whole.windows.start_ns.tolist() == blockwise.windows.start_ns.tolist()
    for name, histograms in whole.distributions.items():
        assert histograms.count.tolist() == blockwise.distributions[name].count.tolist()


def test_merging_nothing_is_nothing() -> None:
    assert len(merge([], 5).row) == 0
    assert in_batches([]) == []
