"""Quantiles and loss ratios of probes that resemble each other hold at the stated rate too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from controller.judge.batches import Batches
from controller.judge.design_effect import effective_ranks, of_losses, of_quantile
from controller.judge.evidence import PASS, UNDECIDED
from controller.judge.judge import judge
from controller.judge.loss import clopper_pearson
from controller.judge.quantile import confidence_ranks

MS = 1e6


def sluggish(rng, rows, n, memory):
    """AR(1) delays of mean 20 ms and deviation 1 ms."""
    fresh = rng.normal(0, np.sqrt(1 - memory**2), (rows, n))
    value = np.empty((rows, n))
    value[:, 0] = rng.normal(0, 1, rows)
    for k in range(1, n):
        value[:, k] = memory * value[:, k - 1] + fresh[:, k]
    return (20 + value) * MS


@pytest.mark.parametrize(
    ("memory", "statistic", "deviate"), [(0.9, "p50", 0.0), (0.9, "p95", 1.645)]
)
def test_intervals_of_sluggish_delays_hold(evidence, rules, memory, statistic, deviate):
    trips = sluggish(np.random.default_rng(3), 200, 1_800, memory)
    asked = rules(200, limit=20 * MS, direction="round_trip", statistic=statistic)
    found = judge(evidence(list(trips), windows=60), asked)
    truth = (20 + deviate) * MS
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.95


@pytest.mark.parametrize(("memory", "deviate"), [(0.6, 1.645), (0.9, 1.645), (0.97, 1.645)])
def test_intervals_of_short_sluggish_campaigns_hold(evidence, rules, memory, deviate):
    trips = sluggish(np.random.default_rng(5), 400, 100, memory)
    asked = rules(400, limit=20 * MS, direction="round_trip", statistic="p95")
    found = judge(evidence(list(trips), windows=15), asked)
    truth = (20 + deviate) * MS
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.95


def test_a_limit_far_beyond_all_delays_is_kept_however_they_resemble_each_other(evidence, rules):
    trips = sluggish(np.random.default_rng(6), 50, 100, 0.9)
    far = rules(50, limit=40 * MS, direction="round_trip", statistic="p95")
    assert (judge(evidence(list(trips), windows=15), far).verdict == PASS).all()


def test_too_few_delays_have_no_upper_bound_however_far_the_limit(evidence, rules):
    trips = sluggish(np.random.default_rng(6), 50, 60, 0.9)
    far = rules(50, limit=4_000 * MS, direction="round_trip", statistic="p95")
    assert (judge(evidence(list(trips), windows=15), far).verdict == UNDECIDED).all()


def test_independent_delays_keep_nearly_their_whole_sample(evidence, rules):
    trips = sluggish(np.random.default_rng(4), 100, 3_600, 0.0)
    found = judge(
        evidence(list(trips), windows=60),
        rules(100, limit=20 * MS, direction="round_trip", statistic="p50"),
    )
    # ±1.96 × √(π/2) / √3600 deviations of 1 ms, a third for safety, two buckets of 2 % of 20 ms
    assert np.median(found.high - found.low) <= (2 * 0.041 * 1.33 + 2 * 0.4) * MS


@given(
    samples=st.integers(0, 100_000),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]),
    effect=st.floats(1.0, 50.0),
)
def test_a_design_effect_only_widens(samples, level, effect):
    n, p = np.array([samples]), np.array([level])
    plain = confidence_ranks(n, p, 0.05)
    low, high = effective_ranks(n, p, np.array([effect]), 0.05)
    slack = max(2, 0.002 * samples)  # ranks of fewer samples are coarser
    assert low[0] <= plain[0][0] + slack
    assert high[0] >= min(plain[1][0] - slack, samples)
    assert 0 <= low[0] <= high[0] <= samples + 1


def test_a_design_effect_of_one_changes_nothing():
    n, p = np.array([10, 60, 1_000, 3_600]), np.array([0.5, 0.95, 0.99, 0.5])
    assert np.array_equal(effective_ranks(n, p, np.ones(4), 0.05), confidence_ranks(n, p, 0.05))


def test_what_lies_above_a_quantile_is_lost_or_slow():
    effect = of_quantile(
        np.array([2.0, 2.0, 2.0]), np.array([9.0, 9.0, 9.0]), np.array([0.0, 0.025, 0.2]), 0.95
    )
    assert effect == pytest.approx([2.0, 5.5, 9.0])


@given(arrays.arrays(np.int64, st.integers(0, 20), elements=st.integers(0, 40)))
def test_batches_hold_every_window_once_and_evenly(windows):
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(windows)])
    batches = Batches.of(indptr, 15)
    size = batches.sums(np.ones(indptr[-1]))
    assert size.sum() == indptr[-1]
    assert np.array_equal(batches.by_row(size), windows)
    for row, count in enumerate(windows):
        own = size[batches.row == row]
        assert len(own) == min(count, 15)
        assert count == 0 or own.max() - own.min() <= 1


def outbreaks(rng, rows, n, lasting, share):
    """Delays of 1 ms, and 6 ms during outbreaks of congestion of so many probes on the mean."""
    quiet = lasting * (1 - share) / share
    trips = 1 * MS + rng.exponential(0.1 * MS, (rows, n))
    for row in range(rows):
        runs = 2 * int(n / (lasting + quiet) * 2 + 20)
        on = (np.arange(runs) % 2 == 0) == (rng.random() < share)
        length = rng.geometric(1 / np.where(on, lasting, quiet))
        trips[row] += 5 * MS * np.repeat(on, length)[:n]
    return trips


@pytest.mark.parametrize(("lasting", "share", "n"), [(10, 0.1, 900), (30, 0.1, 3_600)])
def test_outbreaks_of_congestion_that_came_are_not_held_for_all_there_is(
    evidence, rules, lasting, share, n
):
    """A tenth of the time is congested, so the true p95 is 6 ms: limits of 5 ms must not pass."""
    trips = outbreaks(np.random.default_rng(4), 200, n, lasting, share)
    found = judge(
        evidence(list(trips), windows=n // 30),
        rules(200, limit=5 * MS, direction="round_trip", statistic="p95"),
        looks="once",
    )
    assert np.count_nonzero(found.verdict == PASS) <= 2


def test_one_slow_probe_of_many_is_no_outbreak(evidence, rules):
    """Of 150 probes that resemble their neighbours one is slow: p95 is not of its kind."""
    trips = sluggish(np.random.default_rng(5), 1, 150, 0.8) / 20  # about 1 ms
    trips[0, 70] = 9 * MS
    asked = rules(limit=5 * MS, direction="round_trip", statistic="p95")
    assert judge(evidence(list(trips), windows=15), asked).verdict[0] == PASS


def windows_of(lost, size):
    rows, count = lost.shape
    return np.arange(rows + 1) * count, np.full(rows * count, size), lost.ravel()


def bursty(rng, rows, n, ratio, burst):
    """Gilbert loss: bursts of geometric length with the given mean, at the given overall ratio."""
    state = rng.random(rows) < ratio
    leave, enter = 1 / burst, ratio / (1 - ratio) / burst
    out = np.zeros((rows, n), np.int64)
    for k in range(n):
        out[:, k] = state
        change = rng.random(rows)
        state = np.where(state, change >= leave, change < enter)
    return out


def test_independent_loss_has_a_design_effect_near_one():
    rng = np.random.default_rng(5)
    found = of_losses(*windows_of(rng.binomial(100, 0.02, (200, 100)), 100))
    assert (found >= 1).all()
    assert np.mean(found) == pytest.approx(1.15, abs=0.15)


def test_bursts_are_seen_by_their_windows():
    # docs/concepts/measurement.md §6.2: Gilbert loss at 1 % with a mean burst of 5 has a design
    # effect of 8.9.
    rng = np.random.default_rng(6)
    lost = bursty(rng, 100, 10_000, 0.01, 5.0).reshape(100, 100, 100).sum(2)
    found = of_losses(*windows_of(lost, 100))
    assert 8.9 <= np.median(found) <= 1.4 * 8.9  # rather too wide an interval than too narrow


def test_one_window_gives_the_prior():
    assert of_losses(np.array([0, 1]), np.array([100]), np.array([3]))[0] == 2.0


def test_no_windows_give_the_prior():
    nothing = np.zeros(0, np.int64)
    assert of_losses(np.array([0, 0]), nothing, nothing)[0] == 2.0


@pytest.mark.parametrize("burst", [1.0001, 3.0])
def test_intervals_of_bursty_loss_hold_at_about_the_stated_rate(burst):
    rng = np.random.default_rng(7)
    lost = bursty(rng, 400, 6_000, 0.02, burst).reshape(400, 60, 100).sum(2)
    effect = of_losses(*windows_of(lost, 100))
    low, high = clopper_pearson(lost.sum(1) / effect, 6_000 / effect, 0.05)
    assert np.mean((low <= 0.02) & (high >= 0.02)) >= 0.93


def test_bursts_that_always_lie_across_the_edges_of_windows_are_seen_too():
    """Ten in a row, half of them in either window: a window alone shows bursts of five."""
    rng = np.random.default_rng(9)
    came = rng.random((400, 119)) < 0.06
    lost = np.zeros((400, 120), np.int64)
    lost[:, :-1] += 5 * came
    lost[:, 1:] += 5 * came
    effect = of_losses(*windows_of(lost, 30))
    low, high = clopper_pearson(lost.sum(1) / effect, 3_600 / effect, 0.05)
    truth = 0.06 * 119 * 10 / 3_600
    assert np.mean((low <= truth) & (high >= truth)) >= 0.95
