import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.documents.values import finite
from controller.store.quantiles import quantile_ns
from probes.histogram import Histograms

DELAYS = st.lists(st.integers(2_000, 10**9), min_size=1, max_size=60)


def quantile(delays: list[int], lost: int, level: float) -> float:
    values = np.array(delays, np.float64)
    histograms = Histograms.from_samples(np.zeros(len(values), np.int64), values, 1)
    ends = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
    found = quantile_ns(
        histograms, level, np.array([lost]), np.array([ends[0]]), np.array([ends[1]])
    )
    return float(found[0])


@given(DELAYS, st.integers(0, 30), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_quantile_is_within_one_percent_of_the_exact_one(
    delays: list[int], lost: int, level: float
) -> None:
    exact = float(np.quantile([*delays, *[np.inf] * lost], level, method="inverted_cdf"))
    found = quantile(delays, lost, level)
    assert found == exact or abs(found - exact) <= 0.0101 * exact


def test_quantile_among_the_lost_is_infinite_and_shown_as_unknown() -> None:
    assert quantile([5_000] * 90, 10, 0.95) == np.inf
    assert finite(np.inf) is None
    assert quantile([5_000] * 99, 1, 0.95) == 5_000


def test_everything_lost_is_infinite_and_nothing_sent_is_unknown() -> None:
    empty = Histograms.empty(2)
    nan = np.full(2, np.nan)
    found = quantile_ns(empty, 0.5, np.array([3, 0]), nan, nan)
    assert found[0] == np.inf
    assert np.isnan(found[1])
