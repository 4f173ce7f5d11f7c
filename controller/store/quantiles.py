"""Quantiles read from histograms: at the middle of a bucket, 1 % at most off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import indptr_of
from probes.histogram import Histograms, bucket_lower_ns, bucket_upper_ns
from probes.measures import Distribution
from probes.window import Counters, infinite_delays


def quantile_columns(
    one: Distribution,
    percentiles: Sequence[int],
    held: Histograms,
    counters: Counters,
    least_ns: NDArray[np.float64] | None,
    most_ns: NDArray[np.float64] | None,
) -> dict[str, NDArray[np.float64]]:
    """Return percentiles of a declared distribution as columns, named NAME_pPERCENT_ns.

    `least_ns`, `most_ns`: the exact extremes; None where none are kept.
    """
    totals = held.totals()
    columns = quantiles_ns(
        held,
        [percent / 100 for percent in percentiles],
        infinite_delays(one, counters, totals),
        np.full(len(totals), -np.inf) if least_ns is None else least_ns,
        np.full(len(totals), np.inf) if most_ns is None else most_ns,
    )
    names = [f"{one.name}_p{percent}_ns" for percent in percentiles]
    return dict(zip(names, columns, strict=True))


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
