"""Histograms: edges, addition, ranks. Oracle: sorting the samples themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from probes.histogram import (
    CONTRACTUAL_LIMITS_NS,
    EDGES_NS,
    TOP_BUCKET,
    Histograms,
    bucket_lower_ns,
    bucket_of,
    bucket_upper_ns,
)

delays = arrays(np.float64, st.integers(1, 60), elements=st.floats(-7e10, 7e10, allow_nan=False))


def test_every_contractual_limit_is_an_edge() -> None:
    assert set(CONTRACTUAL_LIMITS_NS) <= set(EDGES_NS.tolist())


def test_edges_ascend_and_no_bucket_is_wider_than_two_percent_and_a_rounding() -> None:
    assert np.all(np.diff(EDGES_NS) > 0)
    rounding = 1.0 / EDGES_NS[:-1]
    assert np.all(EDGES_NS[1:] / EDGES_NS[:-1] <= 1.0198 + rounding)


def test_every_edge_and_its_neighbours_fall_where_a_search_finds_them() -> None:
    edges = EDGES_NS.astype(np.float64)
    beside = [np.nextafter(edges, 0), edges, np.nextafter(edges, np.inf), edges - 1, edges + 1]
    delay_ns = np.concatenate([*beside, [0.0, 5e-324, 1e18, np.inf]])
    expected = np.searchsorted(edges, delay_ns, side="left")
    np.testing.assert_array_equal(bucket_of(delay_ns), expected)
    np.testing.assert_array_equal(bucket_of(-delay_ns), -expected)


def test_a_delay_at_the_limit_is_within_it_and_one_nanosecond_more_is_not() -> None:
    limit = 1_000_000
    histogram = Histograms.from_samples(np.zeros(2), np.array([limit, limit + 1]), 1)
    surely, possibly = histogram.count_within(np.array([limit]))
    assert (surely[0], possibly[0]) == (1, 1)


def test_a_bucket_that_straddles_a_limit_counts_only_as_possibly_within() -> None:
    histogram = Histograms.from_samples(np.zeros(1), np.array([2_345_678]), 1)
    surely, possibly = histogram.count_within(np.array([2_345_678]))
    assert (surely[0], possibly[0]) == (0, 1)


@given(delays)
def test_every_delay_lies_between_the_edges_of_its_bucket(delay_ns: NDArray[np.float64]) -> None:
    bucket = bucket_of(delay_ns)
    assert np.all(bucket_lower_ns(bucket) <= delay_ns)
    assert np.all(delay_ns <= bucket_upper_ns(bucket))


@given(delays)
def test_negative_delays_mirror_positive_ones(delay_ns: NDArray[np.float64]) -> None:
    assert np.array_equal(bucket_of(-delay_ns), -bucket_of(delay_ns))


@given(delays, delays)
def test_adding_histograms_equals_counting_all_samples_in_any_order(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> None:
    one = Histograms.from_samples(np.zeros(len(first)), first, 1)
    two = Histograms.from_samples(np.zeros(len(second)), second, 1)
    both = np.concatenate([second, first])
    whole = Histograms.from_samples(np.zeros(len(both)), both, 1)
    for stacked in (Histograms.stack([one, two]), Histograms.stack([two, one])):
        added = stacked.grouped(np.zeros(2), 1)
        assert np.array_equal(added.bucket, whole.bucket)
        assert np.array_equal(added.count, whole.count)


@given(delays, st.integers(1, 60))
def test_rank_finds_the_bucket_of_the_sorted_sample(
    delay_ns: NDArray[np.float64], rank: int
) -> None:
    histogram = Histograms.from_samples(np.zeros(len(delay_ns)), delay_ns, 1)
    expected = bucket_of(np.sort(delay_ns))[rank - 1] if rank <= len(delay_ns) else TOP_BUCKET
    assert histogram.bucket_at_rank(np.array([rank]))[0] == expected


def test_a_rank_among_the_lost_is_infinite_and_a_rank_below_one_is_minus_infinite() -> None:
    histogram = Histograms.from_samples(np.zeros(3), np.array([1e6, 2e6, 3e6]), 1)
    assert bucket_upper_ns(histogram.bucket_at_rank(np.array([4])))[0] == np.inf
    assert bucket_lower_ns(histogram.bucket_at_rank(np.array([0])))[0] == -np.inf


@given(st.lists(delays, min_size=1, max_size=5))
def test_rows_survive_stacking_taking_and_totals(rows: list[NDArray[np.float64]]) -> None:
    parts = [Histograms.from_samples(np.zeros(len(row)), row, 1) for row in rows]
    stacked = Histograms.stack(parts)
    assert stacked.totals().tolist() == [len(row) for row in rows]
    back = stacked.take(np.arange(len(rows))[::-1])
    assert back.totals().tolist() == [len(row) for row in rows][::-1]
    for index, part in enumerate(reversed(parts)):
        row = back.take(np.array([index]))
        assert np.array_equal(row.bucket, part.bucket)
        assert np.array_equal(row.count, part.count)


@pytest.mark.parametrize("rows", [0, 3])
def test_empty_histograms_answer_without_error(rows: int) -> None:
    empty = Histograms.empty(rows)
    assert empty.rows == rows
    assert empty.totals().tolist() == [0] * rows
    assert empty.bucket_at_rank(np.ones(rows)).tolist() == [TOP_BUCKET] * rows
