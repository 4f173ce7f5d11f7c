"""The figures of a probe run: counts and percentiles of every target at once, arrays in and out.

Percentiles are `inverted_cdf` (RFC 2330 §11.3) over all probes sent, a lost probe being an infinite
delay (RFC 7679 §5.1); minimum, mean and maximum are over received probes alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
DELAY_KEYS = ("min", *PERCENTILES, "max", "mean")


def summaries(
    target: NDArray[np.int64], delay_ns: NDArray[np.float64], sent: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return DELAY_KEYS, float64[targets], of the delays `delay_ns[i]` of `target[i]`.

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
    result = {key: np.full(targets, np.nan) for key in DELAY_KEYS}
    result["min"][some] = delay[start[some]]
    result["max"][some] = delay[(start + count)[some] - 1]
    total = np.bincount(row, weights=delay, minlength=targets)
    result["mean"][some] = total[some] / count[some]
    for key, share in PERCENTILES.items():
        # The nudge keeps 0.9 × 10 = 9.000000000000002 from becoming rank 10.
        rank = np.maximum(np.ceil(share * sent - 1e-9), 1).astype(np.int64)
        infinite = (rank > count) & (sent > 0)
        finite = (rank <= count) & some
        result[key][infinite] = np.inf
        result[key][finite] = delay[(start + rank)[finite] - 1]
    return result
