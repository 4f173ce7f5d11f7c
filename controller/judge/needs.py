"""What would decide an undecided judgement: more probes, or better clocks. Estimates, not vows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.evidence import (
    QUANTILE_OF_STATISTIC,
    STATISTICS,
    TERMS,
    UNDECIDED,
    Judgements,
    Rules,
)
from controller.judge.reading import Reading
from probes.histogram import Histograms

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_USEFUL_BOUND_NS = 1000.0  # below a microsecond, better clocks are no answer
POWER = 0.95  # of the test that is to decide
MOST_SAMPLES = 1e9  # beyond, more probes are no answer
SAMPLES, CLOCK = TERMS.index("samples"), TERMS.index("clock")


def samples_for_ratio(ratio: Floats, limit: Floats, alpha: float) -> Floats:
    """Return how many independent probes tell `ratio` from `limit`; NaN if none would, [n].

    One side of a two-sided test at alpha/2 with power 0.95 (MEASUREMENT F.2, normal form); at
    ratios of 0 and 1 the exact count.
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


def of_delay(
    histograms: Histograms,
    infinite: Integers,
    rules: Rules,
    answer: Judgements,
    at: Integers,
    reading: Reading,
    alpha: float,
    shift_ns: NDArray[np.bool_] | None,
) -> None:
    """Fill `needed_samples` of the rules `at` that wait for samples.

    A quantile is decided by the share of probes above the limit; a mean by its interval, which
    shrinks with the square root. `shift_ns` marks where one-way readings may be used at all.
    """
    waiting = (answer.verdict[at] == UNDECIDED) & (answer.term[at] == SAMPLES)
    if shift_ns is not None:
        waiting &= shift_ns
    chosen = np.flatnonzero(waiting)
    if not len(chosen):
        return
    rule = at[chosen]
    row, limit = rules.row[rule], rules.limit[rule]
    taken = histograms.take(row)
    surely, possibly = taken.count_within(limit)
    totals = taken.totals() + infinite[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        over = 1 - (surely + possibly) / 2 / totals
        level = QUANTILE_OF_STATISTIC[rules.statistic[rule]]
        needed = samples_for_ratio(over, 1 - level, alpha)
        reach = (reading.high_ns - reading.low_ns)[chosen] / 2
        of_mean = totals * (reach / (reading.point_ns[chosen] - limit)) ** 2
    mean = rules.statistic[rule] == STATISTICS.index("mean")
    more = np.where(mean, of_mean, needed) - totals
    more = np.where(np.isfinite(more) & (more < MOST_SAMPLES), np.ceil(more), np.nan)
    answer.needed_samples[rule] = np.where(np.isnan(more), np.nan, np.fmax(more, 1.0))


def of_clock(
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
    waiting = (answer.verdict[at] == UNDECIDED) & (answer.term[at] == CLOCK)
    within, outside = limit - forward.high_ns, forward.low_ns - limit
    margin = np.where(trusted, np.fmax(within, outside), np.abs(limit - rtt.point_ns / 2))
    margin = margin - calibration_ns
    useful = waiting & np.isfinite(margin) & (margin > LEAST_USEFUL_BOUND_NS)
    answer.needed_clock_bound_ns[at] = np.where(useful, margin, np.nan)
