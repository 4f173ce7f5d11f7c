"""An interval for a mean delay, from the means of its windows.

A mean is over received probes: a lost probe has no delay to add. Neighbouring probes are alike, so
the spread of single probes understates the error; the spread between batches of windows does not
(the method of batch means, with Student's t).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.batches import Batches
from probes.histogram import TOP_BUCKET, Histograms, bucket_lower_ns, bucket_upper_ns

Floats = NDArray[np.float64]

MIN_BATCHES = 5  # below, the batches say too little: a stated prior takes their place
ALIKE_DEVIATES = 1.0  # standard errors beyond which neighbouring batches count as alike
MOST_ALIKE = 0.8
PRIOR_DESIGN_EFFECT = 3.0  # queueing that lasts over about three probes


@dataclass(frozen=True, slots=True)
class Spread:
    """Variances of each row's mean, ns², float64[n]: what independent probes would give, and what
    `batches` batches of windows show (NaN with fewer than two)."""

    independent_ns2: Floats
    between_ns2: Floats
    batches: Floats


@dataclass(frozen=True, slots=True)
class WindowMeans:
    """Means of single windows: those of row i are indptr[i]:indptr[i+1]; count of 0 = no mean.

    `batch_count`: the sums of `count` over the batches that will be used, if known already.
    """

    indptr: NDArray[np.int64]
    count: NDArray[np.int64]
    mean_ns: Floats
    batch_count: Floats | None = None


def spread_of_mean(
    histograms: Histograms,
    windows: WindowMeans,
    extremes_ns: tuple[Floats, Floats],
    batches: Batches | None = None,
) -> Spread:
    """Return how far the mean of each row may be off; `extremes_ns`: exact minimum and maximum.

    `batches` of the same windows, if they are known already.
    """
    longer = Batches.of(windows.indptr) if batches is None else batches
    totals = histograms.totals().astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        independent = _variance_ns2(histograms, totals, extremes_ns) / totals
        between, filled = _between_batches(windows, longer)
    return Spread(independent, between, filled)


def mean_interval(
    mean_ns: Floats, totals: NDArray[np.int64], spread: Spread, alpha: float
) -> tuple[Floats, Floats]:
    """Return (low, high) of each row's mean with confidence 1 - alpha, two-sided.

    Shapes [n]; `totals` counts the probes of the mean. The standard error is the larger
    of the one between batches and the one of independent probes. With fewer than MIN_BATCHES it is
    that of independent probes × √PRIOR_DESIGN_EFFECT. (-inf, +inf) with fewer than two probes; NaN
    where there is no mean.
    """
    independent, many = spread.independent_ns2, spread.batches >= MIN_BATCHES
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = np.fmax(spread.between_ns2, independent)
        variance = np.where(many, shown, PRIOR_DESIGN_EFFECT * independent)
        freedom = np.where(many, spread.batches - 1, totals - 1)
        # Few degrees of freedom are distinct, and Student's t is dear.
        distinct, place = np.unique(np.maximum(freedom, 1), return_inverse=True)
        reach = special.stdtrit(distinct, 1 - alpha / 2)[place] * np.sqrt(variance)
    reach = np.where(totals < 2, np.inf, reach)
    low, high = mean_ns - reach, mean_ns + reach
    # Nothing is known of a mean without probes: not even an infinite interval.
    return np.where(np.isnan(mean_ns), np.nan, low), np.where(np.isnan(mean_ns), np.nan, high)


def _variance_ns2(
    histograms: Histograms, totals: Floats, extremes_ns: tuple[Floats, Floats]
) -> Floats:
    """Return the variance of single probes, each bucket's own width included."""
    row = histograms.row_of_entry()
    place = histograms.bucket + np.int16(TOP_BUCKET)
    middle, within = _MIDDLE_NS[place], _WITHIN_NS2[place]
    # The exact extremes cut the first and the last bucket of a row, and no other.
    filled = np.flatnonzero(np.diff(histograms.indptr))
    first, last = histograms.indptr[filled], histograms.indptr[filled + 1] - 1
    ends = np.concatenate([first, last[last > first]])
    low, high = bucket_lower_ns(histograms.bucket[ends]), bucket_upper_ns(histograms.bucket[ends])
    owner = row[ends]
    low = np.where(ends == histograms.indptr[owner], np.fmax(low, extremes_ns[0][owner]), low)
    is_last = ends == histograms.indptr[owner + 1] - 1
    high = np.where(is_last, np.fmin(high, extremes_ns[1][owner]), high)
    middle[ends], within[ends] = _uniform(low, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.bincount(row, histograms.count * middle, histograms.rows) / totals
        middle -= centre[row]
        middle *= middle
        middle += within
        middle *= histograms.count
        answer: Floats = np.bincount(row, middle, histograms.rows) / np.maximum(totals - 1, 1)
    return answer


def _uniform(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return (middle, variance) of what is spread evenly in a bucket; an open end has no width."""
    low = np.where(np.isfinite(low), low, high)
    high = np.where(np.isfinite(high), high, low)
    return (low + high) / 2, (high - low) ** 2 / 12


_BUCKETS = np.arange(-TOP_BUCKET, TOP_BUCKET + 1)
_MIDDLE_NS, _WITHIN_NS2 = _uniform(bucket_lower_ns(_BUCKETS), bucket_upper_ns(_BUCKETS))


def _between_batches(windows: WindowMeans, batches: Batches) -> tuple[Floats, Floats]:
    """Return the variance of the overall mean as the batches tell it, and how many there are."""
    count, mean_ns = windows.count, windows.mean_ns
    absent = np.isnan(mean_ns)
    if absent.any():
        count, mean_ns = np.where(absent, 0, count), np.where(absent, 0.0, mean_ns)
        weight = batches.sums(count)
    else:
        weight = batches.sums(count) if windows.batch_count is None else windows.batch_count
    total = batches.sums(count * mean_ns)
    filled = batches.by_row(weight > 0)
    all_weight = batches.by_row(weight)
    centre = batches.by_row(total) / all_weight
    weighted = total - weight * centre[batches.row]  # = weight × deviation
    squares = batches.by_row(weighted**2)
    spread = squares / all_weight**2 * lasting(weighted, squares, filled, batches)
    return spread * filled / (filled - 1), filled


def lasting(weighted: Floats, squares: Floats, filled: Floats, batches: Batches) -> Floats:
    """Return by how much the variance of a mean grows where what lasts outlasts a batch, [n] ≥ 1.

    weighted [batches]: how far each batch is off; squares [n]: their squares added up; filled [n]:
    how many there are. (1 + r) / (1 - r), r the correlation of neighbouring batches (as of a
    process that forgets at an even rate), where it is seen: by more than its standard error 1/√b
    above its expectation -1/b.
    """
    beside = np.zeros(len(weighted))
    np.multiply(weighted[:-1], weighted[1:], out=beside[:-1])
    beside[:-1] *= batches.row[:-1] == batches.row[1:]
    alike = batches.by_row(beside) / squares + 1 / filled
    seen = np.where(alike > ALIKE_DEVIATES / np.sqrt(filled), np.fmin(alike, MOST_ALIKE), 0.0)
    longer: Floats = (1 + seen) / (1 - seen)
    return longer
