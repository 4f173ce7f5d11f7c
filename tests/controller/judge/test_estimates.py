"""Statistics read for demands: what was lost is an infinite delay, wherever that is known."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.judge.estimates import read, readable
from controller.judge.evidence import QUANTILE_OF_STATISTIC, STATISTICS

MS = 1e6
WIDTH = 0.02  # of a bucket, of which the middle is read
STATELESS = [HealthCheck.function_scoped_fixture]  # `evidence` is a function without state


def reading_of(distribution, statistic="p50", row=0, alpha=0.05):
    code = np.array([STATISTICS.index(statistic)], np.int8)
    found = read(distribution, np.array([row]), code, alpha)
    return found.low_ns[0], found.point_ns[0], found.high_ns[0]


@settings(deadline=None, suppress_health_check=STATELESS)
@given(
    st.lists(st.floats(1e5, 1e9), min_size=2, max_size=60),
    st.integers(0, 20),
    st.sampled_from(STATISTICS),
)
def test_a_statistic_lies_within_its_interval(evidence, delays, lost, statistic):
    known = readable(evidence([delays], lost=lost, windows=4)).rtt
    low, point, high = reading_of(known, statistic)
    assert low <= point <= high


@settings(deadline=None, suppress_health_check=STATELESS)
@given(st.lists(st.floats(1e5, 1e9), min_size=1, max_size=60), st.integers(0, 40))
def test_a_quantile_counts_every_lost_probe_as_infinite(evidence, delays, lost):
    known = readable(evidence([delays], lost=lost)).rtt
    samples = np.sort(np.append(delays, np.full(lost, np.inf)))
    for statistic, level in zip(STATISTICS, QUANTILE_OF_STATISTIC, strict=True):
        if np.isnan(level):
            continue
        _, point, _ = reading_of(known, statistic)
        true = samples[max(int(np.ceil(level * len(samples) - 1e-9)), 1) - 1]
        assert point == pytest.approx(true, rel=WIDTH)


def test_a_higher_confidence_never_narrows_an_interval(evidence):
    rng = np.random.default_rng(1)
    known = readable(evidence([rng.gamma(3, MS, 500)], windows=20)).rtt
    for statistic in STATISTICS:
        ends = [reading_of(known, statistic, alpha=alpha) for alpha in (0.2, 0.05, 0.001)]
        assert ends == sorted(ends, key=lambda end: -end[0])
        assert ends == sorted(ends, key=lambda end: end[2])


def test_probes_lost_on_the_way_back_may_have_arrived(evidence):
    """Of the way there they widen the interval upwards, and never fail it."""
    there = np.full(100, 2 * MS)
    forth = readable(evidence([2 * there], [there], lost_forward=300)).forward
    back = readable(evidence([2 * there], [there], lost_backward=300)).forward
    assert reading_of(forth)[1] == np.inf
    assert reading_of(forth)[0] == np.inf
    low, _, high = reading_of(back)
    assert low < 2.1 * MS
    assert high == np.inf
    assert forth.samples(np.array([0])) == back.samples(np.array([0])) == 400


def test_where_nothing_came_back_both_ways_are_down(evidence):
    known = readable(evidence([[]], lost=50, lost_backward=50))
    assert reading_of(known.rtt)[0] == np.inf
    assert reading_of(known.forward)[0] == np.inf


def test_variation_is_of_pairs_that_came_back_and_knows_no_loss(evidence):
    known = readable(evidence([[4 * MS, 5 * MS, 4 * MS]], lost=90)).variation
    assert known.samples(np.array([0])).tolist() == [2]
    assert reading_of(known)[1] == pytest.approx(MS, rel=WIDTH)
    assert np.isnan(reading_of(known, "mean")[1])


def test_nothing_measured_is_unknown_and_not_zero(evidence):
    known = readable(evidence([[], [4 * MS]])).rtt
    low, point, high = reading_of(known)
    assert np.isnan(point)
    assert not low > 0
    assert high == np.inf
