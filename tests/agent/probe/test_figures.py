"""The figures of a probe run."""

import numpy as np

from agent.probe.figures import commonest, summaries


def test_percentiles_count_lost_probes_as_infinite() -> None:
    """RFC 7679 §5.1: {100, 110, undefined, 90, 500} has a 50th percentile of 110."""
    delay = np.array([100.0, 110.0, 90.0, 500.0])
    found = summaries(np.zeros(4, np.int64), delay, np.array([5, 3]))
    assert (found["p50"][0], found["p90"][0], found["min"][0]) == (110.0, np.inf, 90.0)
    assert found["p50"][1] == np.inf
    assert np.isnan(found["mean"][1])


def test_percentiles_agree_with_numpy() -> None:
    delay = np.random.default_rng(3).exponential(1e6, 1000)
    found = summaries(np.repeat(np.arange(10), 100), delay, np.full(10, 100))
    for key, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        wanted = np.quantile(delay.reshape(10, 100), share, axis=1, method="inverted_cdf")
        np.testing.assert_array_equal(found[key], wanted)


def test_the_commonest_cause_of_a_target_is_its_reason() -> None:
    target = np.array([0, 0, 0, 2, 2])
    cause = np.array([101, 113, 113, 0, 0])
    assert commonest(target, cause, 3).tolist() == [113, 0, 0]
