"""Paired comparisons against simulation, tables and simple laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from controller.judge.pairing import loss_difference, loss_ratio, paired_means


def one(value):
    return np.array([float(value)])


def rows_of(count, length):
    return np.arange(count + 1) * length


def test_ratio_and_difference_of_what_is_twice_as_slow():
    base = np.linspace(1e6, 2e6, 30)
    ratio, difference, pairs = paired_means(rows_of(1, 30), 2 * base, base, 0.05)
    assert pairs.tolist() == [30]
    assert ratio.point[0] == pytest.approx(2)
    assert ratio.low[0] == pytest.approx(ratio.high[0])
    assert difference.point[0] == pytest.approx(1.5e6)


def test_pairs_of_which_one_side_is_unknown_do_not_count():
    now, base = np.full(10, 2.0), np.ones(10)
    now[0], base[1] = np.nan, np.inf
    _, _, pairs = paired_means(rows_of(1, 10), now, base, 0.05)
    assert pairs.tolist() == [8]


def test_four_pairs_conclude_nothing():
    ratio, difference, _ = paired_means(rows_of(1, 4), np.full(4, 2.0), np.ones(4), 0.05)
    assert (ratio.low[0], ratio.high[0]) == (0, np.inf)
    assert difference.high[0] == np.inf


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_paired_intervals_hold_where_hours_swing_and_errors_linger(memory):
    rng = np.random.default_rng(1)
    rows, length = 1000, 168
    swing = 1 + 0.5 * np.sin(np.arange(length) / 24 * 2 * np.pi)
    noise = rng.normal(0, 0.1, (2, rows, length))
    for i in range(1, length):
        noise[:, :, i] += memory * noise[:, :, i - 1]
    base, now = 10 * swing * np.exp(noise[0]), 4 * swing * np.exp(noise[1])
    ratio, difference, _ = paired_means(rows_of(rows, length), now.ravel(), base.ravel(), 0.05)
    held = np.mean((ratio.low <= 0.4) & (ratio.high >= 0.4))
    assert held >= (0.95 if memory == 0 else 0.93)
    assert np.median(ratio.high - ratio.low) < 0.05
    wide = -6 * np.exp(0.005 / (1 - memory**2))
    assert np.mean((difference.low <= wide) & (wide <= difference.high)) >= 0.92


def test_exact_ratio_interval_holds_for_small_losses():
    rng = np.random.default_rng(2)
    lost, base = rng.binomial(2000, 0.004, 4000), rng.binomial(3000, 0.008, 4000)
    found = loss_ratio(
        lost.astype(float), np.full(4000, 2000.0), base.astype(float), np.full(4000, 3000.0), 0.05
    )
    assert np.mean((found.low <= 0.5) & (found.high >= 0.5)) >= 0.95


def test_exact_ratio_interval_is_that_of_two_poisson_rates():
    # The conditional interval: Clopper-Pearson of 10 of 30, carried over to the ratio.
    found = loss_ratio(one(10), one(1000), one(20), one(1000), 0.05)
    exact = stats.binomtest(10, 30).proportion_ci(0.95, "exact")
    assert found.point[0] == pytest.approx(0.5)
    assert found.low[0] == pytest.approx(exact.low / (1 - exact.low))
    assert found.high[0] == pytest.approx(exact.high / (1 - exact.high))


def test_no_loss_anywhere_says_nothing_of_the_ratio():
    found = loss_ratio(one(0), one(100), one(0), one(100), 0.05)
    assert np.isnan(found.point[0])
    assert (found.low[0], found.high[0]) == (0, np.inf)


def test_newcombe_difference_is_that_of_the_paper():
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 is 0.2 (0.0524, 0.3339).
    found = loss_difference(one(56), one(70), one(48), one(80), 0.05)
    assert found.point[0] == pytest.approx(0.2)
    assert found.low[0] == pytest.approx(0.0524, abs=5e-5)
    assert found.high[0] == pytest.approx(0.3339, abs=5e-5)


@given(st.integers(0, 50), st.integers(0, 50))
def test_difference_changes_its_sign_when_the_sides_are_exchanged(a, b):
    there = loss_difference(one(a), one(50), one(b), one(50), 0.05)
    back = loss_difference(one(b), one(50), one(a), one(50), 0.05)
    assert there.point[0] == pytest.approx(-back.point[0])
    assert there.low[0] == pytest.approx(-back.high[0])
