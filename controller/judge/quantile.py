"""Confidence intervals of quantiles by order statistics, read from histograms.

Distribution-free: the p-quantile of the population lies between the l-th and the u-th smallest of n
independent samples with a probability that is a sum of binomial terms (docs/concepts/measurement.md
§6.4). Lost probes are infinite delays (RFC 7679 §5.1): they occupy the top ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from foundation.ragged import indptr_of
from probes.histogram import Histograms, bucket_lower_ns, bucket_upper_ns

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def confidence_ranks(
    samples: NDArray[Any], level: NDArray[Any], alpha: float
) -> tuple[Integers, Integers]:
    """Return ranks (l, u) between which the quantile lies with confidence 1 - alpha, two-sided.

    Shapes [n]. l is the largest rank with P(X_(l) > quantile) ≤ alpha/2, 0 if there is none; u the
    smallest with P(X_(u) < quantile) ≤ alpha/2, samples + 1 if there is none: the upper bound is
    then unknown (+inf). Exact binomial, equal tails.
    """
    # Streams of one period have sent alike, so few pairs (n, p) are distinct; p < 1 keeps them so.
    key = np.asarray(samples, np.float64) + np.asarray(level, np.float64)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    n, p = np.asarray(samples, np.float64)[first], np.asarray(level, np.float64)[first]
    # P(B ≤ l-1) ≤ alpha/2 and P(B ≤ u-1) ≥ 1 - alpha/2 for B ~ Binomial(n, p).
    lower = _first_count_above(n, p, alpha / 2, strict=True)
    upper = _first_count_above(n, p, 1 - alpha / 2, strict=False) + 1
    index = inverse.reshape(-1)
    return lower[index].astype(np.int64), upper[index].astype(np.int64)


def least_samples(level: float, alpha: float = 0.05) -> int:
    """Return the fewest samples with which a quantile's interval has an upper end."""
    # All of n must be able to lie below: 1 - level^n ≥ 1 - alpha/2.
    return math.ceil(math.log(alpha / 2) / math.log(level))


def _first_count_above(n: Floats, p: Floats, share: float, *, strict: bool) -> Floats:
    """Return the least k with P(B ≤ k) ≥ share (> share if strict); n where that is never so."""
    deviation = np.sqrt(n * p * (1 - p))
    count: Floats = np.clip(np.floor(n * p + special.ndtri(share) * deviation), 0, n)

    def enough(k: Floats) -> NDArray[np.bool_]:
        # P(B ≤ k) = I(1 - p; n - k, k + 1), for any n: bdtr knows none of 2^31 and more.
        inside = np.clip(k, 0, np.maximum(n - 1, 0))
        chance = special.betainc(n - inside, inside + 1, 1 - p)
        chance = np.where(k < 0, 0.0, np.where(k >= n, 1.0, chance))
        met: NDArray[np.bool_] = chance > share if strict else chance >= share
        return met

    # The normal guess is a few counts off at most; walk the rest exactly.
    while (up := ~enough(count) & (count < n)).any():
        count = count + up
    while (down := enough(count - 1) & (count > 0)).any():
        count = count - down
    return count


def point_rank(samples: NDArray[Any], level: NDArray[Any]) -> Integers:
    """Return the rank of the empirical quantile: the least with F(x) ≥ level (RFC 2330 §11.3)."""
    # 1e-9 keeps 0.95 × 100 = 95.00000000000001 from becoming rank 96.
    rank: Floats = np.ceil(np.asarray(level) * np.asarray(samples) - 1e-9)
    answer: Integers = np.maximum(rank, 1).astype(np.int64)
    return answer


@dataclass(frozen=True, slots=True)
class RankReader:
    """Reads the delay at a rank of many rows of histograms, over and over, at little cost.

    min_ns, max_ns float64[rows]: exact extremes that sharpen what the buckets tell; may be NaN.
    """

    histograms: Histograms
    min_ns: Floats
    max_ns: Floats
    cumulative: Integers
    before: Integers
    totals: Integers

    @staticmethod
    def over(histograms: Histograms, min_ns: Floats, max_ns: Floats) -> RankReader:
        """Prepare to read `histograms`."""
        cumulative = indptr_of(histograms.count)
        before = cumulative[histograms.indptr[:-1]]
        totals = cumulative[histograms.indptr[1:]] - before
        return RankReader(histograms, min_ns, max_ns, cumulative[1:], before, totals)

    def lower_ns(self, row: Integers, rank: Integers) -> Floats:
        """Return what the rank-th smallest sample of each row surely exceeds.

        -inf below rank 1, +inf above the row's total (the sample was lost). Buckets are open
        below, so the answer is the next number above the edge: a sample in the bucket above a
        limit lies above that limit.
        """
        entry, inside = self._entry(row, rank)
        bucket = self.histograms.bucket[entry]
        edge = bucket_lower_ns(bucket)
        # Bucket 0 and the mirrored negative ones hold their lower edge.
        edge = np.where(bucket > 0, np.nextafter(edge, np.inf), edge)
        edge = np.fmax(edge, self.min_ns[row[inside]])
        return _filled(edge, inside, rank)

    def upper_ns(self, row: Integers, rank: Integers) -> Floats:
        """Return what the rank-th smallest sample of each row surely does not exceed."""
        entry, inside = self._entry(row, rank)
        edge = np.fmin(bucket_upper_ns(self.histograms.bucket[entry]), self.max_ns[row[inside]])
        return _filled(edge, inside, rank)

    def value_ns(self, row: Integers, rank: Integers) -> Floats:
        """Return the best guess of the rank-th smallest sample: spread evenly in its bucket."""
        entry, inside = self._entry(row, rank)
        bucket, count = self.histograms.bucket[entry], self.histograms.count[entry]
        low = np.fmax(bucket_lower_ns(bucket), self.min_ns[row[inside]])
        high = np.fmin(bucket_upper_ns(bucket), self.max_ns[row[inside]])
        into = self.before[row[inside]] + rank[inside] - (self.cumulative[entry] - count)
        return _filled(low + (into - 0.5) / count * (high - low), inside, rank)

    def _entry(self, row: Integers, rank: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        inside = (rank >= 1) & (rank <= self.totals[row])
        wanted = self.before[row[inside]] + rank[inside]
        return np.searchsorted(self.cumulative, wanted, side="left").astype(np.int64), inside


def _filled(value: Floats, inside: NDArray[np.bool_], rank: Integers) -> Floats:
    answer = np.where(rank < 1, -np.inf, np.inf)
    answer[inside] = value
    return answer
