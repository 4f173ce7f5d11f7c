"""The simulator's own truth, held against scipy and against what it simulates."""

import math

import numpy as np
import pytest
from scipy import stats

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
