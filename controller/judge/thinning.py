"""By how much resemblance of neighbours thins the evidence for a quantile.

Order statistics count independent samples. A queue that lasts over many probes, or a burst of
losses, makes n probes tell no more than n / deff independent ones would (the design effect). It is
seen in the windows: in how much more their means, and their losses, differ than those of
independent probes would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.judge.mean import MIN_BATCHES, Spread
from controller.judge.quantile import confidence_ranks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

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


def of_quantile(delays: Floats, losses: Floats, loss_ratio: Floats, level: Floats) -> Floats:
    """Return the design effect at a quantile, all [m]: what lies above it is lost or slow.

    The variances of the two kinds add up, each by its share of the 1 - level above the quantile.
    """
    share = np.clip(loss_ratio / np.maximum(1 - level, 1e-12), 0.0, 1.0)
    return share * losses + (1 - share) * delays


def widened_ns(upper_ns: Floats, min_ns: Floats) -> Floats:
    """Return how far resemblance may push an upper bound that holds for independent delays, [n].

    As far again from the least delay as the bound itself lies. What the windows show of resemblance
    tells of queues that were seen; a quantile beyond twice their reach would need delays of another
    kind, that never came. Of such nothing is known but that, as of losses that never came, and for
    those probes count one by one.
    """
    return upper_ns + (upper_ns - min_ns)


def thinned_ranks(
    samples: Integers, level: Floats, thinning: Floats, alpha: float
) -> tuple[Integers, Integers]:
    """Return the ranks of `confidence_ranks` as if there were samples / thinning, scaled back."""
    with np.errstate(divide="ignore"):
        coarse = STEP ** np.floor(np.log(np.maximum(thinning, 1.0)) / np.log(STEP) + 1e-9)
    fewer = np.where(samples > 0, np.maximum(np.floor(samples / coarse), 1), 0)
    low, high = confidence_ranks(fewer, level, alpha)
    scale = samples / np.maximum(fewer, 1)
    lower = np.where(low < 1, 0, np.floor(1 + (low - 1) * scale))
    upper = np.where(high > fewer, samples + 1, np.ceil(high * scale - 1e-9))
    return lower.astype(np.int64), upper.astype(np.int64)
