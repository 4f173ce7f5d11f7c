"""Parts are added up some streams at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.store.aggregate import aggregate_of, blank, outlined, rows_of
from controller.store.merging import in_batches, in_blocks, merge


def _part(batch_of, streams, start_ns):
    ids = np.arange(1, len(streams) + 1)
    batch = batch_of(ids.tolist(), start_ns, lost=start_ns % 3)
    return aggregate_of(batch, np.arange(len(streams)), np.array(streams))


@settings(deadline=None)
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_some_streams_of_a_part_are_what_merging_them_alone_gives(batch_of, mine, wanted) -> None:
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


def test_blocks_hold_only_parts_that_have_something_there(batch_of) -> None:
    aggregates = [blank(5), _part(batch_of, [0, 1], 1), _part(batch_of, [4], 1)]
    blocks = list(in_blocks(aggregates, 5, rows_at_once=2))
    assert [[aggregate.row.tolist() for aggregate in block] for block in blocks] == [
        [[0, 1], [0, 1]],
        [[2, 3]],
        [[4], [4]],
    ]


def test_batches_keep_the_order_and_lose_nothing(batch_of) -> None:
    aggregates = [_part(batch_of, list(range(size)), 1) for size in (9, 1, 1, 1, 3, 8)]
    found = in_batches(aggregates, most=4)
    assert [aggregate for some in found for aggregate in some] == aggregates
    assert max(len(some) for some in found) < len(aggregates)
    assert in_batches([]) == []


def test_the_outline_of_what_was_merged_is_what_merging_outlines_gives(batch_of) -> None:
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
