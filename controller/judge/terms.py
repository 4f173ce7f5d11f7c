"""Which term decided, or which one stands in the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.judge.estimates import Reading
from controller.judge.evidence import QUANTILE_OF_STATISTIC, TERMS, UNDECIDED, Evidence, Judgements
from controller.judge.one_way import OneWay

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]

VALUE, CLOCK, SAMPLES, ASYMMETRY, CALIBRATION, _, _, DISTANCE = range(len(TERMS))


def _crosses(low: Floats, high: Floats, limit_low: Floats, limit_high: Floats) -> NDArray[np.bool_]:
    crossing: NDArray[np.bool_] = (high > limit_low) & (low <= limit_high)
    return crossing


def of_delay(
    verdict: Codes,
    reading: Reading,
    bound_ns: Floats,
    calibration_ns: Floats,
    limits: tuple[Floats, Floats, Floats],
) -> Codes:
    """Return the term of each judgement, [n].

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
        for term, bounds in reversed(candidates):
            named[~_crosses(*bounds) & ~np.isnan(point)] = term
    return np.where(verdict == UNDECIDED, named, VALUE).astype(np.int8)


def name_one_way(
    answer: Judgements,
    at: NDArray[np.int64],
    limit: Floats,
    result: OneWay,
    rtt: Reading,
    statistic: Codes,
    evidence: Evidence,
    row: NDArray[np.int64],
) -> None:
    """Correct the terms of undecided one-way judgements where clocks or the split stand in the way.

    Without clocks that may be used, the clock is the term; unless a clock could not help, because
    enough probes were lost nobody knows where, or the samples are too few even for the round trip.
    """
    undecided = answer.verdict[at] == UNDECIDED
    lost = evidence.lost[row]
    unplaced = lost - evidence.lost_forward[row]
    level = np.nan_to_num(QUANTILE_OF_STATISTIC[statistic], nan=1.0)
    hidden = unplaced > (1 - level) * evidence.sent[row]
    term = np.where(result.trusted, answer.term[at], CLOCK)
    few = ~result.trusted & ~np.isfinite(rtt.high_ns) & (rtt.point_ns <= limit)
    term = np.where(few, SAMPLES, term)
    term = np.where(hidden & ~np.isfinite(result.high_ns), ASYMMETRY, term)
    term = np.where(answer.pair_fails[at] & ~result.trusted & (result.fault == 0), ASYMMETRY, term)
    term = np.where(result.fault != 0, CLOCK, term)
    answer.term[at] = np.where(undecided, term, answer.term[at])
