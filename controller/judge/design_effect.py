"""Design effects: by how much correlation between neighbours shrinks the effective sample.

Order statistics count independent samples. A queue that lasts over many probes, or a burst of
losses, makes n probes tell no more than n / deff independent ones would (the design effect). It is
seen in the windows: in how much more their means, and their losses, differ than those of
independent probes would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.judge.batches import Batches
from controller.judge.mean import MIN_BATCHES, Spread
from controller.judge.quantile import confidence_ranks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# What is assumed of bursts before windows have shown it: a design effect of 2 (Gilbert loss with a
# mean burst of 1.5, docs/concepts/measurement.md §6.2), which weighs as much as five windows with
# losses.
PRIOR_DESIGN_EFFECT = 2.0
PRIOR_EVENTS = 5.0

# |D(i) - D(i-1)| shares a delay with each of its two neighbours: its indicator's correlation with
# either is at most 1/2, and nil beyond, so the design effect is at most 1 + 2 × 1/2.
OF_VARIATION = 2.0
STEP = 1.05  # design effects are told apart no finer, so that few binomials need be computed


def of_delays(spread: Spread) -> Floats:
    """Return the design effect of delays, [n] ≥ 1, from how the means of windows differ.

    One standard error is added to what exceeds 1. With fewer than MIN_BATCHES batches nothing is
    known of it and probes are taken as independent.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = spread.between_ns2 / spread.independent_ns2
        error = np.sqrt(2 / (spread.batches - 1))
        seen = 1 + np.maximum(ratio - 1, 0) * (1 + error)
    return np.where((spread.batches >= MIN_BATCHES) & np.isfinite(seen), seen, 1.0)


def of_losses(
    indptr: Integers,
    sent: Integers,
    lost: Integers,
    batches: Batches | None = None,
    batch_counts: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Return by how much bursts of loss shrink the effective sample, float64[n], never below 1.

    The larger dispersion of the losses of single windows and of batches of them (a burst may
    straddle windows); raised towards the prior while few windows have lost anything.
    indptr int64[n+1]; sent, lost [m]; `batches` of the same windows, and sent and lost of each, if
    they are known already.
    """
    longer = Batches.of(indptr) if batches is None else batches
    long_sent, long_lost = batch_counts or (longer.sums(sent), longer.sums(lost))
    all_sent, all_lost = longer.by_row(long_sent), longer.by_row(long_lost)
    all_used = not len(sent) or sent.min() > 0
    windows = np.diff(indptr) if all_used else longer.by_row(longer.sums(sent > 0))
    with_loss = np.flatnonzero(lost)  # few windows, as a rule
    row = np.searchsorted(indptr, with_loss, side="right") - 1
    lossy = np.bincount(row, minlength=longer.rows).astype(np.float64)
    within = _squares(lost[with_loss], sent[with_loss])
    squares = np.bincount(row, within, longer.rows).astype(np.float64)
    long_squares = longer.by_row(_squares(long_lost, long_sent))
    long_windows = longer.by_row(long_sent > 0)
    seen = np.maximum(
        _dispersion(squares, all_sent, all_lost, windows),
        _dispersion(long_squares, all_sent, all_lost, long_windows),
    )
    # Bursts show in windows with losses, not in all windows (and never a single one). One
    # standard error is added to what was seen above 1: few bursts tell little of their own length.
    lossy = np.where(windows > 1, lossy, 0.0)
    error = np.sqrt(2 / np.maximum(lossy, 1))
    seen = 1.0 + np.maximum(seen - 1.0, 0.0) * (1 + error)
    shrunk = (PRIOR_EVENTS * PRIOR_DESIGN_EFFECT + lossy * seen) / (PRIOR_EVENTS + lossy)
    # The prior may raise what the windows show, never lower it: too short intervals are worse.
    answer: Floats = np.maximum(shrunk, seen)
    return answer


def _squares(lost: NDArray[Any], sent: NDArray[Any]) -> Floats:
    """Return lost² / sent, 0 where nothing was sent."""
    square = np.square(lost, dtype=np.float64)
    answer: Floats = np.divide(square, sent, out=np.zeros(len(sent)), where=sent > 0)
    return answer


def _dispersion(squares: Floats, sent: Floats, lost: Floats, windows: NDArray[Any]) -> Floats:
    """Return Pearson's X² of each row's windows over its degrees of freedom; 1 where unknown, [n].

    Σ (k - np)² / np(1 - p) over the windows is (Σ k²/n - K²/N) / p(1 - p). Where nothing (or
    everything) was lost the windows cannot differ: no bursts were seen.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lost / sent
        dispersion = (squares - lost * ratio) / (ratio * (1 - ratio)) / (windows - 1)
        known = np.isfinite(dispersion) & (windows > 1)
    answer: Floats = np.where(known, dispersion, 1.0)
    return answer


def of_quantile(delays: Floats, losses: Floats, loss_ratio: Floats, level: Floats) -> Floats:
    """Return the design effect at a quantile, all [m]: what lies above it is lost or slow.

    The variances of the two kinds add up, each by its share of the 1 - level above the quantile.
    """
    share = np.clip(loss_ratio / np.maximum(1 - level, 1e-12), 0.0, 1.0)
    return share * losses + (1 - share) * delays


def widened_ns(upper_ns: Floats, min_ns: Floats) -> Floats:
    """Return how far resemblance may push an upper bound that holds for independent delays, [n].

    As far again from the least delay as the bound itself lies. What the windows show of resemblance
    reports about queues that were seen; a quantile beyond twice their reach would need delays of
    another kind, that never came. Of such nothing is known but that, as of losses that never came,
    and for those probes count one by one.
    """
    return upper_ns + (upper_ns - min_ns)


def effective_ranks(
    samples: Integers, level: Floats, effect: Floats, alpha: float
) -> tuple[Integers, Integers]:
    """Return the ranks of `confidence_ranks` as if there were samples / effect, scaled back."""
    with np.errstate(divide="ignore"):
        coarse = STEP ** np.floor(np.log(np.maximum(effect, 1.0)) / np.log(STEP) + 1e-9)
    fewer = np.where(samples > 0, np.maximum(np.floor(samples / coarse), 1), 0)
    low, high = confidence_ranks(fewer, level, alpha)
    scale = samples / np.maximum(fewer, 1)
    lower = np.where(low < 1, 0, np.floor(1 + (low - 1) * scale))
    upper = np.where(high > fewer, samples + 1, np.ceil(high * scale - 1e-9))
    return lower.astype(np.int64), upper.astype(np.int64)
