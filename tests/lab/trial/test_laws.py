"""The simulator's own truth, held against scipy and against what it simulates."""

import math

import numpy as np
import pytest
from scipy import stats

from lab.trial.case import Case, Clocks, Loss, truth_of
from lab.trial.delays import Noise, sum_of

LAWS = {
    "gamma": (Noise(law="gamma", scale_ns=2e5, shape=3.0), stats.gamma(3, scale=2e5)),
    "exponential": (Noise(law="gamma", scale_ns=2e5), stats.expon(scale=2e5)),
    "lognormal": (
        Noise(law="lognormal", scale_ns=1e5, shape=1.2),
        stats.lognorm(1.2, scale=1e5),
    ),
    "lomax": (Noise(law="lomax", scale_ns=1e5, shape=3.0), stats.lomax(3, scale=1e5)),
    "normal": (Noise(law="normal", scale_ns=1e4, shape=6.0), stats.norm(6e4, 1e4)),
}


@pytest.mark.parametrize("name", LAWS)
def test_quantiles_and_means_are_those_of_scipy(name):
    noise, law = LAWS[name]
    levels = np.array([0.01, 0.5, 0.95, 0.99, 0.999])
    assert noise.quantile_ns(levels) == pytest.approx(law.ppf(levels), rel=1e-9)
    assert noise.mean_ns == pytest.approx(law.mean(), rel=1e-12)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_samples_follow_their_law(name, memory):
    noise, law = LAWS[name]
    sample = noise.sample_ns(np.random.default_rng(1), 40_000, memory)
    kept = sample[:: 1 if memory == 0 else 40]  # far enough apart to be independent
    assert stats.kstest(kept, law.cdf).pvalue > 0.001


def test_memory_makes_neighbours_alike():
    noise = Noise(law="gamma", scale_ns=1.0)
    sluggish = noise.sample_ns(np.random.default_rng(2), 20_000, 0.9)
    assert np.corrcoef(sluggish[:-1], sluggish[1:])[0, 1] > 0.8


def test_sums_are_exact_or_refused():
    rng = np.random.default_rng(3)
    for name in ("gamma", "exponential", "normal"):
        noise, law = LAWS[name]
        total = law.rvs(200_000, random_state=rng) + law.rvs(200_000, random_state=rng)
        whole = sum_of(noise, noise)
        for level in (0.5, 0.95):
            assert float(whole.quantile_ns(level)) == pytest.approx(
                np.quantile(total, level), rel=0.01
            )
    with pytest.raises(ValueError, match="not known exactly"):
        sum_of(LAWS["lomax"][0], LAWS["lognormal"][0])


@pytest.mark.parametrize("name", ["exponential", "normal"])
def test_quantiles_of_differences_are_exact(name):
    noise, law = LAWS[name]
    rng = np.random.default_rng(4)
    apart = np.abs(law.rvs(200_000, random_state=rng) - law.rvs(200_000, random_state=rng))
    for level in (0.5, 0.95):
        assert noise.difference_quantile_ns(level) == pytest.approx(
            np.quantile(apart, level), rel=0.02
        )
    assert math.isnan(LAWS["gamma"][0].difference_quantile_ns(0.5))


@pytest.mark.parametrize(("ratio", "burst"), [(0.0077, 1.0), (0.05, 5.0), (0.3, 10.0)])
def test_losses_have_their_ratio_and_bursts(ratio, burst):
    lost = Loss(ratio=ratio, burst=burst).sample(np.random.default_rng(5), 2_000_000)
    assert lost.mean() == pytest.approx(ratio, rel=0.05)
    begins = np.count_nonzero(lost[1:] & ~lost[:-1])
    expected = max(burst, 1 / (1 - ratio))
    assert lost.sum() / begins == pytest.approx(expected, rel=0.05)


def test_losses_of_none_and_all():
    rng = np.random.default_rng(6)
    assert not Loss().sample(rng, 10).any()
    assert Loss(ratio=1.0).sample(rng, 10).all()


def path(**changes):
    known = {
        "family": "test",
        "kind": "delay",
        "direction": "one_way",
        "statistic": "p95",
        "limit": 1e6,
        "told_limit": 1e6,
        "limit_low": 1e6,
        "limit_high": 1e6,
        "probes": 10,
        "windows": 1,
        "forward_base_ns": 5e5,
        "backward_base_ns": 7e5,
        "forward_noise": Noise(law="gamma", scale_ns=1e5),
        "backward_noise": Noise(law="gamma", scale_ns=1e5),
    }
    return Case(**{**known, **changes})


def test_lost_probes_are_infinite_delays():
    case = path(loss_forward=Loss(ratio=0.03), loss_backward=Loss(ratio=0.04))
    kept = 0.97
    assert case.truth == pytest.approx(5e5 - 1e5 * math.log(1 - 0.95 / kept))
    assert truth_of(case, "delay", "round_trip", "p95") == math.inf  # 6.9 % are lost
    assert truth_of(case, "loss", "round_trip", "p50") == pytest.approx(1 - 0.97 * 0.96)
    assert truth_of(case, "loss", "one_way", "p50") == pytest.approx(0.03)
    assert truth_of(case, "delay", "round_trip", "mean") == pytest.approx(14e5)


def test_a_truth_at_the_limit_passes():
    case = path(limit=5e5 - 1e5 * math.log(0.05))
    assert case.true_verdict == "pass"
    assert path(limit=case.limit * 0.999).true_verdict == "fail"


def test_clocks_drift_and_their_bounds_grow():
    clocks = Clocks(offset_ns=1e5, skew_ppm=-20, bound_ns=2e5, growth_ppm=20)
    offset, bound = clocks.at(np.array([0.0, 100.0]))
    assert offset.tolist() == [1e5, 1e5 - 2e6]
    assert bound.tolist() == [2e5, 2.2e6]
