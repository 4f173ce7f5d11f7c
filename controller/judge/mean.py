"""An interval for a mean delay, from the means of its windows.

A mean is over received probes: a lost probe has no delay to add. Neighbouring probes are alike, so
the spread of single probes understates the error; the spread between batches of windows does not
(the method of batch means, with Student's t).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.batches import batch_numbers, sums
from probes.histogram import Histograms, bucket_lower_ns, bucket_upper_ns

Floats = NDArray[np.float64]

MAX_BATCHES = 15  # fewer, longer batches: neighbours must be unlike each other, even in slow queues
MIN_BATCHES = 5  # below, the batches say too little: a stated prior takes their place
PRIOR_DESIGN_EFFECT = 3.0  # queueing that lasts over about three probes


@dataclass(frozen=True, slots=True)
class WindowMeans:
    """Means of single windows: those of row i are indptr[i]:indptr[i+1]; count of 0 = no mean."""

    indptr: NDArray[np.int64]
    count: NDArray[np.int64]
    mean_ns: Floats


def mean_interval(
    mean_ns: Floats,
    histograms: Histograms,
    windows: WindowMeans,
    extremes_ns: tuple[Floats, Floats],
    alpha: float,
) -> tuple[Floats, Floats]:
    """Return (low, high) of each row's mean with confidence 1 - alpha, two-sided.

    Shapes [n]; `extremes_ns` are the exact minimum and maximum. The standard error is the larger
    of the one between batches and the one of independent probes. With fewer than MIN_BATCHES it is
    that of independent probes × √PRIOR_DESIGN_EFFECT. (-inf, +inf) with fewer than two probes; NaN
    where there is no mean.
    """
    totals = histograms.totals().astype(np.float64)
    single = _variance_ns2(histograms, totals, extremes_ns)
    with np.errstate(invalid="ignore", divide="ignore"):
        independent = single / totals
        between, batches = _between_batches(windows)
        many = batches >= MIN_BATCHES
        variance = np.where(many, np.fmax(between, independent), PRIOR_DESIGN_EFFECT * independent)
        freedom = np.where(many, batches - 1, totals - 1)
        reach = special.stdtrit(np.maximum(freedom, 1), 1 - alpha / 2) * np.sqrt(variance)
    reach = np.where(totals < 2, np.inf, reach)
    low, high = mean_ns - reach, mean_ns + reach
    # Nothing is known of a mean without probes: not even an infinite interval.
    return np.where(np.isnan(mean_ns), np.nan, low), np.where(np.isnan(mean_ns), np.nan, high)


def _variance_ns2(
    histograms: Histograms, totals: Floats, extremes_ns: tuple[Floats, Floats]
) -> Floats:
    """Return the variance of single probes, each bucket's own width included."""
    row = histograms.row_of_entry()
    low = np.fmax(bucket_lower_ns(histograms.bucket), extremes_ns[0][row])
    high = np.fmin(bucket_upper_ns(histograms.bucket), extremes_ns[1][row])
    low = np.where(np.isfinite(low), low, high)
    high = np.where(np.isfinite(high), high, low)
    middle, width = (low + high) / 2, high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.bincount(row, histograms.count * middle, histograms.rows) / totals
        square = histograms.count * ((middle - centre[row]) ** 2 + width**2 / 12)
        answer: Floats = np.bincount(row, square, histograms.rows) / np.maximum(totals - 1, 1)
    return answer


def _between_batches(windows: WindowMeans) -> tuple[Floats, Floats]:
    """Return the variance of the overall mean as the batches tell it, and how many there are."""
    filled: NDArray[Any] = (windows.count > 0) & ~np.isnan(windows.mean_ns)
    batch, row_of_batch, rows = batch_numbers(windows.indptr, filled, MAX_BATCHES)
    count = windows.count[filled].astype(np.float64)
    weight = sums(batch, count, len(row_of_batch))
    total = sums(batch, count * windows.mean_ns[filled], len(row_of_batch))
    batches = np.bincount(row_of_batch, minlength=rows).astype(np.float64)
    all_weight = sums(row_of_batch, weight, rows)
    centre = sums(row_of_batch, total, rows) / all_weight
    square = (total - weight * centre[row_of_batch]) ** 2  # = weight² × deviation²
    spread = sums(row_of_batch, square, rows) / all_weight**2
    return spread * batches / (batches - 1), batches
