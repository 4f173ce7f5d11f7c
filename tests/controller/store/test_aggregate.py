"""Streams are picked and joined without a figure of theirs changing."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.store.aggregate import (
    DELAYS,
    Aggregate,
    aggregate_of,
    blank,
    end_to_end,
    outlined,
    rows_of,
    taken,
    without_windows,
)
from controller.store.merging import merge
from probes.window import WindowBatch

Make = Callable[..., WindowBatch]


def _part(batch_of: Make, streams: list[int], start_ns: int) -> Aggregate:
    ids = np.arange(1, len(streams) + 1)
    batch = batch_of(ids.tolist(), start_ns, lost=start_ns % 3)
    return aggregate_of(batch, np.arange(len(streams)), np.array(streams))


@settings(deadline=None)
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_some_streams_of_a_part_are_what_merging_them_alone_gives(
    batch_of: Make, mine: set[int], wanted: set[int]
) -> None:
    rows = np.array(sorted(wanted), np.int64)
    one, other = (_part(batch_of, sorted(mine), start_ns) for start_ns in (1, 2))
    both = merge([one, other], 10)
    found = rows_of(both, rows)
    assert found.row.tolist() == sorted(mine & wanted)
    alone = merge([rows_of(one, rows), rows_of(other, rows)], 10)
    for name in ("row", "end_ns", "suspect"):
        assert getattr(found, name).tolist() == getattr(alone, name).tolist()
    assert found.windows.indptr.tolist() == alone.windows.indptr.tolist()
    assert found.windows.lost.tolist() == alone.windows.lost.tolist()
    for name, histograms in found.distributions.items():
        assert histograms.count.tolist() == alone.distributions[name].count.tolist()
        assert histograms.indptr.tolist() == alone.distributions[name].indptr.tolist()


def test_the_outline_of_what_was_merged_is_what_merging_outlines_gives(batch_of: Make) -> None:
    aggregates = [_part(batch_of, [0, 2], 1), _part(batch_of, [0, 1], 2)]
    one, other = (
        outlined(merge(aggregates, 3)),
        merge([outlined(aggregate) for aggregate in aggregates], 3),
    )
    assert one.distributions["rtt"].totals().tolist() == [17, 8, 9]
    for name, histograms in one.distributions.items():
        assert histograms.count.tolist() == other.distributions[name].count.tolist()
    assert one.total_ns["rtt"].tolist() == other.total_ns["rtt"].tolist()
    assert not len(other.windows.sent)


def test_parts_end_to_end_are_what_they_were_cut_from(batch_of: Make) -> None:
    whole = merge([_part(batch_of, list(range(7)), start_ns) for start_ns in (1, 2)], 7)
    cut = [rows_of(whole, np.arange(low, min(low + 3, 7))) for low in (0, 3, 6)]
    again = end_to_end(cut)
    assert again.row.tolist() == list(range(7))
    assert again.windows.indptr.tolist() == whole.windows.indptr.tolist()
    for name, histograms in whole.distributions.items():
        assert again.distributions[name].indptr.tolist() == histograms.indptr.tolist()
        assert again.distributions[name].count.tolist() == histograms.count.tolist()
    assert again.total_ns["rtt"].tolist() == whole.total_ns["rtt"].tolist()


def test_streams_are_taken_in_the_order_asked_for(batch_of: Make) -> None:
    part = _part(batch_of, [2, 4, 9], 1)
    found = taken(part, np.array([2, 0]))
    assert found.row.tolist() == [9, 2]
    assert found.windows.sent.tolist() == part.windows.sent[[2, 0]].tolist()


def test_rows_side_by_side_are_views_and_no_copies(batch_of: Make) -> None:
    part = _part(batch_of, list(range(9)), 1)
    assert np.shares_memory(rows_of(part, np.arange(2, 5)).end_ns, part.end_ns)


def test_streams_keep_their_own_windows_side_by_side_or_not(batch_of: Make) -> None:
    whole = merge([_part(batch_of, [row], 10 + row) for row in range(6)], 6)
    for rows in ([2, 3, 4], [1, 3, 5], []):
        found = rows_of(whole, np.array(rows, np.int64))
        assert found.windows.start_ns.tolist() == [10 + row for row in rows]
        assert found.windows.indptr.tolist() == list(range(len(rows) + 1))


def test_what_is_blank_changes_no_figure_it_is_merged_with(batch_of: Make) -> None:
    part = without_windows(_part(batch_of, [0, 1], 1))
    both = merge([part, blank(2)], 2)
    assert both.suspect.tolist() == [False, False]
    assert both.counters["sent"].tolist() == part.counters["sent"].tolist()
    assert both.clock_bound_ns.tolist() == part.clock_bound_ns.tolist()
    for delay in DELAYS:
        assert both.mean_ns(delay).tolist() == part.mean_ns(delay).tolist()
    assert np.isnan(blank(2).mean_ns("rtt")).all()
