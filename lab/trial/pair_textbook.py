"""What a textbook would say of two paths beside each other: as `textbook`, from raw probes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lab.trial.pair_case import PairCase
from lab.trial.textbook import OUTSIDE, SHARE, Bounds, design_effect, lost_between
from probes.engine.accumulate import Finished

Floats = NDArray[np.float64]

# The judge has ten batches, and widens their spread where neighbours are alike.
SHARE_OF_WINDOWS, WIDER = 0.1, 1.5


def pair_bounds(pair: PairCase, own: Finished, other: Finished) -> Bounds | None:
    """Return what the textbook knows of the ratio that is judged; None where it has no method.

    It has none for quantiles, for two demands at once (IPv6 beside IPv4), and for clocks.
    """
    if pair.kind == "ipv6_parity" or pair.direction == "one_way" or pair.own.statistic != "mean":
        return None
    shared = np.intersect1d(own.window, other.window)
    sides = [side.take(np.isin(side.window, shared)) for side in (own, other)]
    if pair.indicator == "loss":
        return _loss(pair, *sides)
    now, then = (_means(side, shared) for side in sides)
    return _ratio(now, then)


def _means(side: Finished, windows: NDArray[np.int64]) -> Floats:
    """Return the mean round trip of each window."""
    answered = ~np.isnan(side.rtt_ns)
    place = np.searchsorted(windows, side.window[answered])
    total = np.bincount(place, side.rtt_ns[answered], len(windows))
    mean: Floats = total / np.maximum(np.bincount(place, minlength=len(windows)), 1)
    return mean


def _ratio(now: Floats, then: Floats) -> Bounds:
    """Return Fieller's interval without its corner cases: Student's t on what is left over."""
    from scipy.stats import t

    ratio, n = now.sum() / then.sum(), len(now) * SHARE_OF_WINDOWS
    if n < 3:
        return Bounds(-math.inf, math.inf)
    spread = float((now - ratio * then).std(ddof=1)) / math.sqrt(n) / float(then.mean())
    reach = WIDER * float(t.ppf(1 - OUTSIDE / 2, n - 1)) * spread
    return Bounds(ratio - reach, ratio + reach)


def _loss(pair: PairCase, own: Finished, other: Finished) -> Bounds:
    """Return the ratio of two rates, given how many were lost in both together."""
    from scipy.stats import beta

    fewer = [SHARE / design_effect(case) for case in (pair.own, pair.other)]
    k, base = (
        lost_between(case, side)[0] * share
        for case, side, share in zip((pair.own, pair.other), (own, other), fewer, strict=True)
    )
    scale = len(other) * fewer[1] / (len(own) * fewer[0])
    low = 0.0 if k == 0 else float(beta.ppf(OUTSIDE / 2, k, base + 1))
    high = 1.0 if base == 0 else float(beta.ppf(1 - OUTSIDE / 2, k + 1, base))
    return Bounds(scale * low / (1 - low), math.inf if high >= 1 else scale * high / (1 - high))
