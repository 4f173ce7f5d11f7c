"""Numbers read from histograms for people: quantiles at the middle of a bucket, 1 % at most off.

The judge does not use these; it reads intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from foundation.ragged import indptr_of
from probes.histogram import Histograms, bucket_lower_ns, bucket_upper_ns


def quantile_ns(
    histograms: Histograms,
    level: float,
    lost: NDArray[np.int64],
    least_ns: NDArray[np.float64],
    most_ns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the `level` quantile (inverted_cdf) of each row, lost probes being +inf delays.

    float64[n]: NaN where a row has neither samples nor losses, +inf where the quantile falls among
    the lost (RFC 7679 §5.1). Kept within the exact minimum and maximum.
    """
    return quantiles_ns(histograms, (level,), lost, least_ns, most_ns)[0]


def quantiles_ns(
    histograms: Histograms,
    levels: Sequence[float],
    lost: NDArray[np.int64],
    least_ns: NDArray[np.float64],
    most_ns: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Return several quantiles of each row, as `quantile_ns` does one."""
    cumulative = indptr_of(histograms.count)
    before = cumulative[histograms.indptr[:-1]]
    received = cumulative[histograms.indptr[1:]] - before
    total = received + lost
    answers = []
    for level in levels:
        rank = np.maximum(1, np.ceil(level * total - 1e-9)).astype(np.int64)
        inside = rank <= received
        entry = np.searchsorted(cumulative, (before + rank)[inside], side="left") - 1
        bucket = histograms.bucket[entry]
        with np.errstate(invalid="ignore"):
            middle = (bucket_lower_ns(bucket) + bucket_upper_ns(bucket)) / 2
        answer = np.where(total > 0, np.inf, np.nan)
        answer[inside] = np.fmin(np.fmax(middle, least_ns[inside]), most_ns[inside])
        answers.append(answer)
    return answers


def figure_columns(evidence: Evidence) -> dict[str, NDArray[np.float64]]:
    """Return the figures of every row of evidence as columns, named as in the API's `figures`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {"loss_ratio": evidence.lost / evidence.sent, "rtt_mean_ns": evidence.rtt_mean_ns}
    unknown = evidence.lost - evidence.lost_forward - evidence.lost_backward
    lost = {
        "rtt": evidence.lost,
        "forward": evidence.lost_forward + unknown,
        "backward": evidence.lost_backward + unknown,
    }
    for delay, percent in (
        ("rtt", 50),
        ("rtt", 95),
        ("forward", 50),
        ("forward", 95),
        ("backward", 50),
    ):
        histograms: Histograms = getattr(evidence, delay)
        one_way_unknown = (delay != "rtt") & (histograms.totals() == 0)
        columns[f"{delay}_p{percent}_ns"] = quantile_ns(
            histograms,
            percent / 100,
            np.where(one_way_unknown, 0, lost[delay]),
            getattr(evidence, f"{delay}_min_ns"),
            getattr(evidence, f"{delay}_max_ns"),
        )
    return columns


def finite(value: float) -> float | None:
    """Return a number of an array as the API says it: None for NaN and infinity."""
    number = float(value)
    return number if np.isfinite(number) else None
