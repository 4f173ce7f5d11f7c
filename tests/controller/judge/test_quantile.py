"""Order statistics against scipy, the published tables and seeded simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from controller.judge.quantile import RankReader, confidence_ranks, point_rank
from probes.histogram import Histograms

# docs/concepts/measurement.md §6.4: ranks of a two-sided 95 % interval; rank n + 1 means that it
# has no upper end.
PUBLISHED = [
    (1_000, 0.5, 469, 532),
    (1_000, 0.95, 936, 964),
    (1_000, 0.99, 983, 997),
    (1_000, 0.999, 997, 1_001),
    (10_000, 0.5, 4_902, 5_099),
    (10_000, 0.99, 9_880, 9_920),
    (10_000, 0.999, 9_983, 9_997),
    (86_400, 0.5, 42_912, 43_489),
    (86_400, 0.95, 81_954, 82_206),
    (86_400, 0.99, 85_478, 85_594),
    (86_400, 0.999, 86_295, 86_332),
]


@pytest.mark.parametrize(("samples", "level", "lower", "upper"), PUBLISHED)
def test_ranks_are_those_of_the_published_table(samples, level, lower, upper):
    found = confidence_ranks(np.array([samples]), np.array([level]), 0.05)
    assert [int(rank[0]) for rank in found] == [lower, upper]


@pytest.mark.parametrize(("level", "least"), [(0.95, 72), (0.99, 368), (0.999, 3_688)])
def test_a_finite_upper_bound_needs_the_published_number_of_probes(level, least):
    samples = np.array([least - 1, least])
    _, upper = confidence_ranks(samples, np.full(2, level), 0.05)
    assert upper[0] > samples[0]
    assert upper[1] == samples[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20_000), st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
def test_ranks_agree_with_the_binomial_distribution_of_scipy(samples, level):
    lower, upper = (
        int(rank[0]) for rank in confidence_ranks(np.array([samples]), np.array([level]), 0.05)
    )
    chance = stats.binom(samples, level)
    assert lower == 0 or chance.cdf(lower - 1) <= 0.025 + 1e-12
    assert samples == 0 or chance.cdf(lower) > 0.025 - 1e-12
    assert upper == samples + 1 or chance.cdf(upper - 1) >= 0.975 - 1e-12
    assert chance.cdf(upper - 2) < 0.975 + 1e-12


def test_many_rows_give_what_each_gives_alone():
    rng = np.random.default_rng(4)
    samples = rng.integers(0, 5_000, 200)
    level = rng.choice([0.5, 0.9, 0.95, 0.99], 200)
    lower, upper = confidence_ranks(samples, level, 0.05)
    for i in range(0, 200, 17):
        one = confidence_ranks(samples[i : i + 1], level[i : i + 1], 0.05)
        assert (lower[i], upper[i]) == (one[0][0], one[1][0])


def reader_of(samples):
    rows = np.zeros(len(samples), np.int64)
    values = np.asarray(samples, np.float64)
    low = values.min() if len(values) else np.nan
    high = values.max() if len(values) else np.nan
    histograms = Histograms.from_samples(rows, values, 1)
    return RankReader.over(histograms, np.array([low]), np.array([high]))


def at(rank):
    return np.zeros(1, np.int64), np.array([rank], np.int64)


def test_rfc_7679_fiftieth_percentile_counts_the_lost_packet_as_infinite():
    # RFC 7679 §5.1: {100, 110, undefined, 90, 500} ms; the 50th percentile is 110 ms.
    rank = int(point_rank(np.array([5]), np.array([0.5]))[0])
    found = reader_of([100e6, 110e6, 90e6, 500e6]).value_ns(*at(rank))
    assert found[0] == pytest.approx(110e6, rel=0.01)


def test_rfc_7679_median_of_an_even_number_is_not_the_fiftieth_percentile():
    # RFC 7679 §5.2: {100, 110, undefined, 90} ms has the median 105; §5.1's percentile is 100, and
    # that is what targets mean by p50. The minimum (§5.3) is 90.
    reader, four = reader_of([100e6, 110e6, 90e6]), np.array([4])
    for level, expected in ((0.5, 100e6), (0.75, 110e6), (0.25, 90e6), (0.95, np.inf)):
        rank = int(point_rank(four, np.array([level]))[0])
        assert reader.value_ns(*at(rank))[0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("level", "expected_ms"), [(0.15, -5), (0.25, -2), (0.5, 4), (0.8, 7), (1.0, 18)]
)
def test_rfc_2330_example_of_six_measurements(level, expected_ms):
    # RFC 2330 §11.3: -2, 7, 7, 4, 18, -5; its 15th percentile is -5, 25th -2, 50th 4, 100th 18.
    measured = np.array([-2, 7, 7, 4, 18, -5]) * 1e6
    rank = int(point_rank(np.array([6]), np.array([level]))[0])
    found = reader_of(measured).value_ns(*at(rank))[0]
    assert found == pytest.approx(expected_ms * 1e6, rel=0.02)  # as far as its bucket reaches
    assert np.quantile(measured, level, method="inverted_cdf") == expected_ms * 1e6


def test_a_rank_among_the_lost_is_infinite():
    rank = int(point_rank(np.array([5]), np.array([0.95]))[0])
    reader = reader_of([100e6, 110e6, 90e6, 500e6])
    assert reader.value_ns(*at(rank))[0] == np.inf
    assert reader.lower_ns(*at(rank))[0] == np.inf


@pytest.mark.parametrize(
    ("level", "expected"), [(0.5, 2), (0.25, 1), (0.75, 3), (0.95, 4), (0.05, 1)]
)
def test_rfc_2330_percentile_is_the_least_value_with_enough_below(level, expected):
    # RFC 2330 §11.3: the smallest x for which F(x) ≥ p.
    assert int(point_rank(np.array([4]), np.array([level]))[0]) == expected


def test_rank_of_a_level_that_floats_cannot_hold_is_not_one_too_high():
    assert int(point_rank(np.array([100]), np.array([0.95]))[0]) == 95


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-50_000_000, 400_000_000), min_size=1, max_size=60), st.data())
def test_edges_enclose_the_true_order_statistic(samples, data):
    rank = data.draw(st.integers(1, len(samples)))
    truth = sorted(samples)[rank - 1]
    reader = reader_of(samples)
    assert reader.lower_ns(*at(rank))[0] <= truth <= reader.upper_ns(*at(rank))[0]
    guess = reader.value_ns(*at(rank))[0]
    assert abs(guess - truth) <= 0.02 * abs(truth) + 2_000


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_hold_the_true_quantile_at_least_as_often_as_stated(level):
    rng = np.random.default_rng(11)
    runs, n = 2_000, 300
    samples = 1e6 + rng.exponential(1e6, (runs, n))
    truth = 1e6 + stats.expon.ppf(level) * 1e6
    row = np.repeat(np.arange(runs), n)
    reader = RankReader.over(
        Histograms.from_samples(row, samples.ravel(), runs), samples.min(1), samples.max(1)
    )
    lower, upper = confidence_ranks(np.full(runs, n), np.full(runs, level), 0.05)
    rows = np.arange(runs)
    low, high = reader.lower_ns(rows, lower), reader.upper_ns(rows, upper)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.945


@pytest.mark.parametrize("samples", [(1 << 31) - 1, 1 << 31, 1 << 32, 90 << 32, 1 << 45])
def test_ranks_are_found_however_many_samples_a_window_claims(samples: int) -> None:
    level = np.array([0.5, 0.95, 0.999])
    lower, upper = confidence_ranks(np.full(3, samples), level, 0.05)
    reach = 1.959964 * np.sqrt(samples * level * (1 - level))
    assert lower == pytest.approx(samples * level - reach, rel=0, abs=5 + 1e-5 * reach.max())
    assert upper == pytest.approx(samples * level + reach, rel=0, abs=5 + 1e-5 * reach.max())
