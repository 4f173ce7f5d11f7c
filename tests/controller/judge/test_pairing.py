"""Paired comparisons against simulation, tables and simple laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.improvement import (
    Cells,
    delay_improvement,
    loss_improvement,
)
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


def cells(delay_ns, sent=1000, lost=0, hours=None, unit=0, bound_ns=0.0, unplaced=0):
    delay = np.atleast_1d(np.asarray(delay_ns, float))
    n = len(delay)
    surely = np.broadcast_to(np.asarray(lost), n).astype(np.int64)
    return Cells(
        unit=np.full(n, unit),
        hour=np.arange(n) if hours is None else np.asarray(hours),
        delay_ns=delay,
        bound_ns=np.broadcast_to(np.asarray(bound_ns, np.float64), n),
        sent=np.full(n, sent),
        lost=surely,
        lost_most=surely + unplaced,
    )


@pytest.mark.parametrize(
    ("now_ms", "verdict"), [(1.0, PASS), (3.0, FAIL), (1.98, UNDECIDED), (None, NO_DATA)]
)
def test_eighty_percent_less_delay(now_ms, verdict):
    rng = np.random.default_rng(3)
    base = cells(10e6 * np.exp(rng.normal(0, 0.1, 48)))
    now = cells([]) if now_ms is None else cells(now_ms * 1e6 * np.exp(rng.normal(0, 0.1, 48)))
    assert delay_improvement(base, now, 1, np.array([0.2])).verdict.tolist() == [verdict]


def test_other_hours_are_left_out_and_said():
    # The baseline was measured at night, when it was quick: only the common hours count.
    base = cells([1e6] * 10 + [10e6] * 10)
    now = cells([1e6] * 10, hours=np.arange(10, 20))
    found = delay_improvement(base, now, 1, np.array([0.2]))
    assert found.ratio.point[0] == pytest.approx(0.1)
    assert (found.cells[0], found.excluded[0]) == (10, 10)


def test_loss_is_compared_at_the_same_mix_of_hours():
    # Nothing changed hour by hour; a plain sum would call the new mix of hours an improvement.
    base = cells([1e6] * 2, sent=10_000, lost=[10, 1000])
    now = Cells(
        unit=np.zeros(2, np.int64),
        hour=np.arange(2),
        delay_ns=np.full(2, 1e6),
        bound_ns=np.zeros(2),
        sent=np.array([90_000, 10_000]),
        lost=np.array([90, 1000]),
        lost_most=np.array([90, 1000]),
    )
    found = loss_improvement(base, now, 1, np.array([0.5]))
    assert found.ratio.point[0] == pytest.approx(1.0)
    assert found.verdict[0] != PASS


@pytest.mark.parametrize(("lost", "verdict"), [(20, PASS), (100, FAIL), (50, UNDECIDED)])
def test_half_the_loss(lost, verdict):
    base, now = cells([1e6] * 48, lost=100, sent=10_000), cells([1e6] * 48, lost=lost, sent=10_000)
    assert loss_improvement(base, now, 1, np.array([0.5])).verdict.tolist() == [verdict]


@pytest.mark.parametrize(
    ("bound_us", "verdict"), [(1.0, PASS), (100.0, UNDECIDED), (np.nan, NO_DATA)]
)
def test_what_clocks_leave_open_widens_an_improvement_one_way(bound_us, verdict):
    """From 10 ms to 1.9 ms one way: 81 % less, if the clocks are known well enough."""
    base = cells(np.full(24, 10e6), bound_ns=1e3)
    now = cells(np.full(24, 1.9e6), bound_ns=bound_us * 1e3)
    found = delay_improvement(base, now, 1, np.array([0.2]))
    assert found.verdict.tolist() == [verdict]
    assert (found.common[0], found.cells[0]) == (24, 0 if np.isnan(bound_us) else 24)
    if bound_us == 100.0:
        # (1.9 ± 0.1) / (10 ∓ 0.001), exactly
        assert found.ratio.low[0] == pytest.approx(1.8 / 10.001)
        assert found.ratio.high[0] == pytest.approx(2.0 / 9.999)


def test_losses_of_unknown_direction_count_for_neither_end_one_way():
    base = cells([1e6] * 48, lost=100, sent=10_000)
    plain = loss_improvement(base, cells([1e6] * 48, lost=20, sent=10_000), 1, np.array([0.5]))
    doubt = cells([1e6] * 48, lost=20, unplaced=80, sent=10_000)
    found = loss_improvement(base, doubt, 1, np.array([0.5]))
    assert (plain.verdict[0], found.verdict[0]) == (PASS, UNDECIDED)
    assert found.ratio.low[0] == pytest.approx(plain.ratio.low[0])
    assert found.ratio.high[0] > 0.9
    assert np.isnan(found.ratio.point[0])
