"""The figures of a probe run: counts and percentiles of every target at once, arrays in and out.

Percentiles are `inverted_cdf` (RFC 2330 §11.3) over all probes sent, a lost probe being an infinite
delay (RFC 7679 §5.1); minimum, mean and maximum are over received probes alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
FLOW_PERCENTILES = {"p50": 0.50, "p95": 0.95}  # of the fewer probes of a single flow
DELAY_KEYS = ("min", *PERCENTILES, "max", "mean")
FLOW_KEYS = ("min", *FLOW_PERCENTILES, "max", "mean")


def summaries(
    target: NDArray[np.int64],
    delay_ns: NDArray[np.float64],
    sent: NDArray[np.int64],
    percentiles: Mapping[str, float] = PERCENTILES,
) -> dict[str, NDArray[np.float64]]:
    """Return min, percentiles, max and mean, float64[targets], of delays `delay_ns[i]` of
    `target[i]`.

    `sent` int64[targets] probes count; those without a delay are infinite. NaN where nothing was
    received (or, for percentiles, nothing sent).
    """
    targets = len(sent)
    known = np.isfinite(delay_ns)
    order = np.lexsort((delay_ns[known], target[known]))
    row, delay = target[known][order], delay_ns[known][order]
    count = np.bincount(row, minlength=targets)
    start = np.cumsum(count) - count
    some = count > 0
    result = {key: np.full(targets, np.nan) for key in ("min", *percentiles, "max", "mean")}
    result["min"][some] = delay[start[some]]
    result["max"][some] = delay[(start + count)[some] - 1]
    total = np.bincount(row, weights=delay, minlength=targets)
    result["mean"][some] = total[some] / count[some]
    for key, share in percentiles.items():
        # The nudge keeps 0.9 × 10 = 9.000000000000002 from becoming rank 10.
        rank = np.maximum(np.ceil(share * sent - 1e-9), 1).astype(np.int64)
        infinite = (rank > count) & (sent > 0)
        finite = (rank <= count) & some
        result[key][infinite] = np.inf
        result[key][finite] = delay[(start + rank)[finite] - 1]
    return result


def commonest(group: NDArray[np.int64], value: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Return the commonest value above 0, int64[groups], of those of `group[i]`; 0 without any."""
    result = np.zeros(groups, np.int64)
    known = value > 0
    pairs, counts = np.unique(np.stack([group[known], value[known]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    result[pairs[0, order]] = pairs[1, order]  # the last written is the commonest
    return result
