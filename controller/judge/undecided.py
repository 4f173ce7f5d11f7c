"""Why a judgement is undecided, and what would decide it: its limiting factor, the sample size or
the clock bound still needed. Estimates, not promises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.estimates import Distribution, Reading
from controller.judge.evidence import (
    LIMITING_FACTORS,
    QUANTILE_OF_STATISTIC,
    STATISTICS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
)
from controller.judge.one_way import OneWay

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

VALUE, CLOCK, SAMPLES, ASYMMETRY, CALIBRATION, _, _, DISTANCE = range(len(LIMITING_FACTORS))


def _crosses(low: Floats, high: Floats, limit_low: Floats, limit_high: Floats) -> NDArray[np.bool_]:
    crossing: NDArray[np.bool_] = (high > limit_low) & (low <= limit_high)
    return crossing


def limiting_factor(
    verdict: Codes,
    reading: Reading,
    bound_ns: Floats,
    calibration_ns: Floats,
    limits: tuple[Floats, Floats, Floats],
) -> Codes:
    """Return the limiting factor of each judgement, [n].

    For an undecided one: the first of calibration, clock, distance, samples without which it would
    be decided; if none alone would do, the widest of clock, calibration and samples.
    """
    limit, limit_low, limit_high = limits
    low, high, point = reading.low_ns, reading.high_ns, reading.point_ns
    e, clock = calibration_ns, bound_ns
    wide = e + clock
    free = np.where(np.isnan(point), np.inf, point)
    with np.errstate(invalid="ignore"):
        candidates = (
            (CALIBRATION, (low - clock, high + clock, limit_low, limit_high)),
            (CLOCK, (low - e, high + e, limit_low, limit_high)),
            (DISTANCE, (low - wide, high + wide, limit, limit)),
            (SAMPLES, (free - wide, free + wide, limit_low, limit_high)),
        )
        named = np.full(len(verdict), SAMPLES, np.int8)
        longest = np.maximum(e, clock) * 2 > np.where(np.isfinite(high - low), high - low, np.inf)
        named[longest & (clock >= e)] = CLOCK
        named[longest & (clock < e)] = CALIBRATION
        for factor, bounds in reversed(candidates):
            named[~_crosses(*bounds) & ~np.isnan(point)] = factor
    return np.where(verdict == UNDECIDED, named, VALUE).astype(np.int8)


def name_one_way_factor(
    answer: Judgements,
    at: NDArray[np.int64],
    limit: Floats,
    result: OneWay,
    rtt: Reading,
    statistic: Codes,
    evidence: Evidence,
    row: NDArray[np.int64],
) -> None:
    """Correct the limiting factors of undecided one-way judgements where clocks or the split are in
    the way.

    Without clocks that may be used, the clock is the limiting factor, unless a clock could not
    help, because enough probes were lost nobody knows where, or the samples are too few even for
    the round trip.
    """
    undecided = answer.verdict[at] == UNDECIDED
    lost = evidence.lost[row]
    unplaced = lost - evidence.counters["lost_forward"][row]
    level = np.nan_to_num(QUANTILE_OF_STATISTIC[statistic], nan=1.0)
    hidden = unplaced > (1 - level) * evidence.sent[row]
    factor = np.where(result.trusted, answer.limiting_factor[at], CLOCK)
    few = ~result.trusted & ~np.isfinite(rtt.high_ns) & (rtt.point_ns <= limit)
    factor = np.where(few, SAMPLES, factor)
    factor = np.where(hidden & ~np.isfinite(result.high_ns), ASYMMETRY, factor)
    factor = np.where(
        answer.pair_fails[at] & ~result.trusted & (result.fault == 0), ASYMMETRY, factor
    )
    factor = np.where(result.fault != 0, CLOCK, factor)
    answer.limiting_factor[at] = np.where(undecided, factor, answer.limiting_factor[at])


Integers = NDArray[np.int64]

LEAST_USEFUL_BOUND_NS = 1000.0  # below a microsecond, better clocks are no answer
POWER = 0.95  # of the test that is to decide
# Nats that averaging over alternatives costs: fits docs/concepts/measurement.md §6.3 within 15 %.
MIXTURE_COST = 1.5
MOST_SAMPLES = 1e9  # beyond, more probes are no answer


def samples_for_ratio(ratio: Floats, limit: Floats, alpha: float) -> Floats:
    """Return how many independent probes tell `ratio` from `limit`; NaN if none would, [n].

    One side of a two-sided test at alpha/2 with power 0.95 (docs/concepts/measurement.md §6.2,
    normal form); at ratios of 0 and 1 the exact count.
    """
    side, power = special.ndtri(1 - alpha / 2), special.ndtri(POWER)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = side * np.sqrt(limit * (1 - limit)) + power * np.sqrt(ratio * (1 - ratio))
        normal = (spread / (ratio - limit)) ** 2
        none_over = np.log(alpha / 2) / np.log1p(-limit)
        all_over = np.log(alpha / 2) / np.log(limit)
        count = np.where(ratio <= 0, none_over, np.where(ratio >= 1, all_over, normal))
        answer: Floats = np.where(count <= MOST_SAMPLES, np.ceil(count), np.nan)
    return answer


def samples_for_loss(ratio: Floats, limit: Floats, alpha: float, looks: str) -> Floats:
    """Return how many independent probes decide a loss ratio; NaN if none would, [n].

    With `looks` "repeated" the anytime-valid test must be convinced too. Its log e-value grows by
    the divergence of the true ratio from the limit with each probe, less what the mixture costs.
    """
    fixed = samples_for_ratio(ratio, limit, alpha)
    if looks == "once":
        return fixed
    with np.errstate(invalid="ignore", divide="ignore"):
        divergence = special.rel_entr(ratio, limit) + special.rel_entr(1 - ratio, 1 - limit)
        count = (np.log(2 / alpha) + MIXTURE_COST) / divergence
        answer: Floats = np.where(count <= MOST_SAMPLES, np.fmax(np.ceil(count), fixed), np.nan)
    return answer


def still_needed(needed: Floats, have: NDArray[Any]) -> Floats:
    """Return how many more probes are needed, at least one; NaN where none would decide."""
    more = needed - have
    useful = np.isfinite(more) & (more < MOST_SAMPLES)
    return np.where(useful, np.fmax(np.ceil(more), 1.0), np.nan)


def need_samples(
    distribution: Distribution,
    rules: Rules,
    answer: Judgements,
    at: Integers,
    reading: Reading,
    alpha: float,
    wide_ns: Floats,
    above_ns: Floats | None = None,
) -> None:
    """Fill `needed_samples` of the rules `at` that wait for samples.

    A quantile is decided by the share of probes beyond the limit, a mean by its interval, which
    shrinks with the square root. `wide_ns` [len(at)]: what the interval is widened by besides
    (clocks, calibration), which leaves only the rest of the margin; `above_ns`: what is taken off
    these delays before they are judged. Neighbours that resemble each other are expected to
    continue doing so: the design effect of what is still to come is that of what was seen.
    """
    chosen = np.flatnonzero(
        (answer.verdict[at] == UNDECIDED) & (answer.limiting_factor[at] == SAMPLES)
    )
    if not len(chosen):
        return
    rule, point, wide = at[chosen], reading.point_ns[chosen], wide_ns[chosen]
    row, statistic = rules.row[rule], rules.statistic[rule]
    off = 0.0 if above_ns is None else above_ns[chosen]
    below = point <= rules.limit[rule] + off
    bound = off + np.where(below, rules.limit_low[rule] - wide, rules.limit_high[rule] + wide)
    surely, possibly = distribution.reader.histograms.take(row).count_within(bound)
    samples = distribution.samples(row)
    level = QUANTILE_OF_STATISTIC[statistic]
    with np.errstate(invalid="ignore", divide="ignore"):
        over = 1 - (surely + possibly) / 2 / samples
        needed = samples_for_ratio(over, 1 - level, alpha) * distribution.effect_at(row, level)
        reach = (reading.high_ns - reading.low_ns)[chosen] / 2
        of_mean = samples * (reach / (point - bound)) ** 2
    mean = statistic == STATISTICS.index("mean")
    answer.needed_samples[rule] = still_needed(np.where(mean, of_mean, needed), samples)


def need_clock_bound(
    answer: Judgements,
    at: Integers,
    limit: Floats,
    trusted: NDArray[np.bool_],
    forward: Reading,
    rtt: Reading,
    calibration_ns: Floats,
) -> None:
    """Fill `needed_clock_bound_ns` of the rules `at` that wait for better clocks.

    With trusted clocks: the margin between what was sampled and the limit. Without: about the
    margin that half the round trip leaves.
    """
    waiting = (answer.verdict[at] == UNDECIDED) & (answer.limiting_factor[at] == CLOCK)
    within, outside = limit - forward.high_ns, forward.low_ns - limit
    margin = np.where(trusted, np.fmax(within, outside), np.abs(limit - rtt.point_ns / 2))
    margin = margin - calibration_ns
    useful = waiting & np.isfinite(margin) & (margin > LEAST_USEFUL_BOUND_NS)
    answer.needed_clock_bound_ns[at] = np.where(useful, margin, np.nan)
