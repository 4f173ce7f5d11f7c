"""Loss intervals against scipy and published figures; the repeatable test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from controller.judge.loss import (
    clopper_pearson,
    log_evidence,
    scale_position,
)

# docs/concepts/measurement.md §6.1, per cent.
PUBLISHED = [
    (0, 100, 0, 3.62),
    (0, 300, 0, 1.22),
    (0, 3_000, 0, 0.123),
    (8, 1_000, 0.35, 1.57),
    (77, 10_000, 0.608, 0.961),
]


@pytest.mark.parametrize(("lost", "sent", "low", "high"), PUBLISHED)
def test_intervals_are_those_of_the_published_table(lost, sent, low, high):
    found = clopper_pearson(np.array([lost]), np.array([sent]), 0.05)
    assert 100 * found[0][0] == pytest.approx(low, abs=0.006)
    assert 100 * found[1][0] == pytest.approx(high, abs=0.006)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 100_000), st.data())
def test_intervals_agree_with_scipy(sent, data):
    lost = data.draw(st.integers(0, sent))
    low, high = clopper_pearson(np.array([lost]), np.array([sent]), 0.05)
    exact = stats.binomtest(lost, sent).proportion_ci(0.95, method="exact")
    assert (low[0], high[0]) == pytest.approx((exact.low, exact.high), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.integers(1, 500))
def test_more_loss_never_lowers_the_interval(lost, more):
    sent = np.array([2_000, 2_000])
    low, high = clopper_pearson(np.array([lost, lost + more]), sent, 0.05)
    assert low[0] <= low[1]
    assert high[0] < high[1]


def test_nothing_sent_is_the_whole_interval():
    low, high = clopper_pearson(np.array([0.0]), np.array([0.0]), 0.05)
    assert (low[0], high[0]) == (0.0, 1.0)


def first_decisions(true_ratio, runs, seed):
    """Return (passes, fails, probes at decision) at a limit of 1 %, looked at every 100 probes."""
    rng = np.random.default_rng(seed)
    lost = rng.binomial(100, true_ratio, (runs, 600)).cumsum(1)
    sent = np.tile(np.arange(1, 601) * 100, runs)
    flat = lost.ravel().astype(float)
    limit = np.full(flat.size, 0.01)
    threshold = np.log(40)
    decided = {
        below: log_evidence(flat, sent, limit, below=below).reshape(runs, 600) >= threshold
        for below in (True, False)
    }
    passes, fails = decided[True].any(1), decided[False].any(1)
    either = decided[True] | decided[False]
    return passes, fails, (either.argmax(1) + 1)[either.any(1)] * 100


# docs/concepts/measurement.md §6.3: true loss, verdict, median number of probes at a limit of 1 %.
@pytest.mark.parametrize(
    ("true_ratio", "passes", "median"),
    [
        (0.0, True, 500),
        (0.003, True, 1_300),
        (0.005, True, 3_100),
        (0.0077, True, 19_400),
        (0.02, False, 1_400),
        (0.0376, False, 300),
    ],
)
def test_early_verdicts_come_as_soon_as_published(true_ratio, passes, median):
    passed, failed, probes = first_decisions(true_ratio, 24, 8)
    assert (passed if passes else failed).mean() >= 0.9
    assert (failed if passes else passed).mean() <= 0.05
    assert np.median(probes) == pytest.approx(median, rel=0.35)


def test_a_path_at_the_limit_stays_undecided_however_often_it_is_looked_at():
    passed, failed, _ = first_decisions(0.01, 60, 9)
    assert passed.mean() <= 0.05
    assert failed.mean() <= 0.05


def test_the_scale_runs_from_the_dedicated_to_the_ordinary_figure():
    assert scale_position(np.array([0.0077, 0.0376])) == pytest.approx([0.0, 1.0])
    assert scale_position(np.array([0.0]))[0] == -np.inf
