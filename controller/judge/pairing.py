"""Two things measured at the same times, compared: ratios and differences with intervals.

Pairing takes out what both share (the hour, the season, a storm), which is most of what makes two
periods or two paths differ. Pairs are joined into at most MAX_BATCHES runs of neighbours, so that
what lasts over several windows or hours is not counted as several independent witnesses (the method
of batch means, as in mean.py), and the spread between runs gives the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.batches import Batches
from controller.judge.loss import clopper_pearson
from controller.judge.mean import lasting
from foundation.ragged import indptr_of, row_of_entry

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_BATCHES = 10
MIN_PAIRS = 5  # fewer say too little of their own spread: nothing is concluded


@dataclass(frozen=True, slots=True)
class Interval:
    """A point with its interval, float64[n]; NaN points and infinite ends where unknown."""

    point: Floats
    low: Floats
    high: Floats


def paired_means(
    indptr: Integers, now: Floats, base: Floats, alpha: float
) -> tuple[Interval, Interval, Integers]:
    """Return (ratio of means, difference of means, pairs) of each row, now against base.

    indptr int64[n+1]; now, base float64[m] > 0 or NaN: a pair counts where both are known. Weights
    are equal, so hours or windows count alike whatever was sent in them. R = Σnow / Σbase by the
    delta method on its residuals now - R base, the difference by the spread of now - base, with
    Student's t over the batches.
    """
    rows = len(indptr) - 1
    known = np.isfinite(now) & np.isfinite(base)
    row = row_of_entry(indptr)[known]
    now, base = now[known], base[known]
    pairs = np.bincount(row, minlength=rows)
    parts = Batches.of(indptr_of(pairs), MAX_BATCHES)
    total_now, total_base = np.bincount(row, now, rows), np.bincount(row, base, rows)
    batches = np.bincount(parts.row, minlength=rows).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = total_now / total_base
        difference = (total_now - total_base) / pairs
        t = special.stdtrit(np.maximum(batches - 1, 1), 1 - alpha / 2)
        scale = np.where(batches >= MIN_PAIRS, t * np.sqrt(batches / (batches - 1)), np.inf)

        def reach(residual: Floats) -> Floats:
            off = parts.sums(residual)
            squares = parts.by_row(off**2)
            squares = squares * lasting(off, squares, batches, parts)
            # Never less than independent pairs would give: few batches may agree by chance.
            alone = np.bincount(row, residual**2, rows) * (batches - 1) / batches
            answer: Floats = scale * np.sqrt(np.fmax(squares, alone))
            return np.where(np.isinf(scale), np.inf, answer)

        of_ratio = reach(now - ratio[row] * base) / total_base
        of_difference = reach(now - base - difference[row]) / pairs
    return _about(ratio, of_ratio, floor=0.0), _about(difference, of_difference), pairs


def _about(point: Floats, reach: Floats, floor: float = -np.inf) -> Interval:
    reach = np.where(np.isnan(point), np.inf, reach)
    return Interval(point, np.maximum(point - reach, floor), point + reach)


def loss_ratio(
    lost: Floats, sent: Floats, base_lost: Floats, base_sent: Floats, alpha: float
) -> Interval:
    """Return loss over the reference's loss with an exact conditional interval, [n].

    Given how many were lost in both together, those of `now` are binomial with the share
    R s / (R s + s₀), s and s₀ the probes sent (two Poisson rates: Przyborowski and Wilenski 1940);
    Clopper-Pearson on that share is exact for small losses and on the safe side for large ones.
    Counts may be fractions, since a design effect divides them. Nothing lost in either says
    nothing of the ratio: (0, +inf).
    """
    both = lost + base_lost
    low, high = clopper_pearson(lost, both, alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = base_sent / sent
        point = (lost / sent) / (base_lost / base_sent)
        bounds = [share / (1 - share) * scale for share in (low, high)]
    nothing = (both <= 0) | (sent <= 0) | (base_sent <= 0)
    point = np.where(nothing, np.nan, point)
    return Interval(
        point, np.where(nothing, 0.0, bounds[0]), np.where(nothing | (high >= 1), np.inf, bounds[1])
    )


def loss_difference(
    lost: Floats, sent: Floats, base_lost: Floats, base_sent: Floats, alpha: float
) -> Interval:
    """Return loss less the reference's loss with Newcombe's hybrid score interval, [n].

    Newcombe 1998, method 10: Wilson intervals of both, joined by the root of squares. Counts may be
    fractions. (-1, 1) where either sent nothing.
    """
    z = special.ndtri(1 - alpha / 2)
    p, low, high = _wilson(lost, sent, z)
    q, base_low, base_high = _wilson(base_lost, base_sent, z)
    difference = p - q
    unknown = (sent <= 0) | (base_sent <= 0)
    return Interval(
        np.where(unknown, np.nan, difference),
        np.where(unknown, -1.0, difference - np.hypot(p - low, base_high - q)),
        np.where(unknown, 1.0, difference + np.hypot(high - p, q - base_low)),
    )


def _wilson(lost: Floats, sent: Floats, z: float) -> tuple[Floats, Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        p = lost / sent
        centre = (p + z**2 / (2 * sent)) / (1 + z**2 / sent)
        reach = z / (1 + z**2 / sent) * np.sqrt(p * (1 - p) / sent + z**2 / (4 * sent**2))
    return p, np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)
