"""What a textbook would say of a case or a pair: raw probes and scipy.stats, nothing of the judge.

A judge that says "undecided" of everything is never wrong. So every undecided case is held against
the plainest methods there are, given much less than the judge had: a quarter of the probes, twice
the confidence in numbers (99.5 %), every delay blurred by the width of a bucket, the clocks by the
bound they claim. Where even these tell the limit from the truth the judge was undecided needlessly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.trial.case import LEVELS, Case, Loss
from lab.trial.pair_case import PairCase
from probes.engine.accumulate import LOST_BACKWARD, LOST_FORWARD, RECEIVED, Finished

Floats = NDArray[np.float64]

SHARE = 0.25  # of the probes, after what they resemble each other is taken off
OUTSIDE = 0.005
BLUR = 0.02  # width of a bucket, as a share of the delay
# The judge has ten batches, and widens their spread where neighbours are alike.
SHARE_OF_WINDOWS, WIDER = 0.1, 1.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """The textbook's interval; infinite ends where it knows none."""

    low: float
    high: float

    def clear_of(self, low: float, high: float) -> bool:
        """Return whether it lies wholly on one side of a limit that lies within [low, high]."""
        return bool(self.high <= low or self.low > high)


def bounds(case: Case, probes: Finished) -> Bounds | None:
    """Return what the textbook knows of the judged figure; None where it has no method.

    It has none for verdicts that are looked at again and again, for meshes, for PDV (its least
    delay is no constant), and where a clock's claim is false.
    """
    if case.looks > 1 or case.nodes is not None or case.kind == "pdv" or not _honest(case):
        return None
    if case.kind == "loss":
        return _loss(case, probes)
    if case.kind == "variation":
        alike = 2 * design_effect(case)
        changes = probes.variation_ns[~np.isnan(probes.variation_ns)]
        return _blurred(_quantile(changes, 0, len(changes), case, alike), 2 * case.calibration_ns)
    return _delay(case, probes)


def _honest(case: Case) -> bool:
    """Return whether no clock is further off than it claims, with room for what it drifts."""
    duration_s = case.windows * 10.0 / len(case.clocks)
    for clocks in case.clocks:
        offset, bound = clocks.at(np.array([0.0, duration_s]))
        if (np.abs(offset) > bound + 1.0).any():
            return False
    return True


def design_effect(case: Case) -> float:
    """Return how many probes tell no more than one independent one: from the case's laws."""
    sluggish = (1 + case.memory) / (1 - case.memory)
    return max(sluggish, *(_of_loss(loss) for loss in (case.loss_forward, case.loss_backward)))


def _of_loss(loss: Loss) -> float:
    if loss.ratio in (0.0, 1.0):
        return 1.0
    burst = max(loss.burst, 1 / (1 - loss.ratio))
    alike = 1 - 1 / burst - loss.ratio / (burst * (1 - loss.ratio))
    return (1 + alike) / (1 - alike)


def _loss(case: Case, probes: Finished) -> Bounds:
    from scipy.stats import beta

    surely, possibly = lost_between(case, probes)
    fewer = SHARE / design_effect(case)
    k, m, n = surely * fewer, possibly * fewer, len(probes) * fewer
    low = 0.0 if k == 0 else float(beta.ppf(OUTSIDE / 2, k, n - k + 1))
    high = 1.0 if m >= n else float(beta.ppf(1 - OUTSIDE / 2, m + 1, n - m))
    return Bounds(low, high)


def lost_between(case: Case, probes: Finished) -> tuple[int, int]:
    """Return how many were lost in the judged direction, at least and at most."""
    gone = probes.outcome != RECEIVED
    surely = possibly = int(gone.sum())
    if case.direction == "one_way" and not gone.all():
        surely = int((probes.outcome == LOST_FORWARD).sum())
        possibly -= int((probes.outcome == LOST_BACKWARD).sum())
    return surely, possibly


def _delay(case: Case, probes: Finished) -> Bounds:
    answered = probes.outcome == RECEIVED
    lost = int((~answered).sum())
    rtt = _statistic(probes.rtt_ns[answered], lost, lost, case)
    if case.direction == "round_trip":
        return _blurred(rtt, case.calibration_ns)
    high = rtt.high * (1 + BLUR) - case.floor_ns + case.calibration_ns
    trusted = answered & ~np.isnan(probes.bound_ns)
    # What a moving clock timestamps is not of one law, and a textbook asks for one.
    moving = len(case.clocks) > 1 or case.clocks[0].skew_ppm
    if moving or not trusted.any():
        return Bounds(case.floor_ns, high)
    there = int((probes.outcome == LOST_FORWARD).sum())
    bound = float(np.nanmax(probes.bound_ns[trusted])) + case.calibration_ns
    clocks = _blurred(_statistic(probes.forward_ns[trusted], there, lost, case), bound)
    return Bounds(max(clocks.low, case.floor_ns), min(clocks.high, high))


def _statistic(delay_ns: Floats, surely: int, possibly: int, case: Case) -> Bounds:
    if case.statistic != "mean":
        return _quantile(delay_ns, surely, len(delay_ns) + possibly, case, design_effect(case))
    from scipy.stats import t

    n = len(delay_ns) * SHARE / design_effect(case)
    if n < 3 or surely > 0.4 * (surely + len(delay_ns)):
        return Bounds(-math.inf, math.inf)
    reach = float(t.ppf(1 - OUTSIDE / 2, n - 1)) * float(delay_ns.std(ddof=1)) / math.sqrt(n)
    return Bounds(float(delay_ns.mean()) - reach, float(delay_ns.mean()) + reach)


def _quantile(delay_ns: Floats, surely: int, samples: int, case: Case, alike: float) -> Bounds:
    """Return order statistics; `samples` counts all that were lost, of which `surely` this way."""
    from scipy.stats import binom

    level, ordered = LEVELS[case.statistic], np.sort(delay_ns)
    n = math.floor(samples * SHARE / alike)
    if n < 1:
        return Bounds(-math.inf, math.inf)
    scale = samples / n
    lower = math.floor((float(binom.ppf(OUTSIDE / 2, n, level)) - 1) * scale)
    upper = math.ceil((float(binom.ppf(1 - OUTSIDE / 2, n, level)) + 1) * scale)
    unknown = samples - len(ordered) - surely
    return Bounds(_at(ordered, lower - unknown), _at(ordered, upper))


def _at(ordered: Floats, rank: int) -> float:
    if rank < 1:
        return -math.inf
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


def _blurred(found: Bounds, wide_ns: float) -> Bounds:
    low, high = (
        end + side * (BLUR * abs(end) + wide_ns) for side, end in ((-1, found.low), (1, found.high))
    )
    return Bounds(low, high)


def pair_bounds(pair: PairCase, own: Finished, other: Finished) -> Bounds | None:
    """Return what the textbook knows of the ratio that is judged; None where it has no method.

    It has none for quantiles, for two demands at once (IPv6 beside IPv4), and for clocks.
    """
    if pair.kind == "ipv6_parity" or pair.direction == "one_way" or pair.own.statistic != "mean":
        return None
    shared = np.intersect1d(own.window, other.window)
    sides = [side.take(np.isin(side.window, shared)) for side in (own, other)]
    if pair.indicator == "loss":
        return _loss_ratio(pair, *sides)
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


def _loss_ratio(pair: PairCase, own: Finished, other: Finished) -> Bounds:
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
