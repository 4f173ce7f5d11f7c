"""The evidence read for demands: what every later step of the judge works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import QUANTILE_OF_STATISTIC, STATISTICS, Evidence
from controller.judge.loss import clopper_pearson
from controller.judge.mean import WindowMeans, mean_interval
from controller.judge.quantile import RankReader, confidence_ranks, point_rank
from probes.histogram import Histograms

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MEAN, MAX = STATISTICS.index("mean"), STATISTICS.index("max")
# When half of all probes are surely lost, a mean over the rest no longer describes the path.
MOSTLY_LOST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution of the evidence, with its losses, n rows.

    infinite int64[n]: probes that surely are infinite delays; missing int64[n]: lost probes of
    which it is unknown whether they are (lost the other way, or nobody knows where).
    """

    histograms: Histograms
    min_ns: Floats
    mean_ns: Floats
    max_ns: Floats
    windows: WindowMeans | None
    infinite: Integers
    missing: Integers


@dataclass(frozen=True, slots=True)
class Reading:
    """A statistic by sampling alone, per demand: nothing of clocks or calibration in it yet."""

    low_ns: Floats
    high_ns: Floats
    point_ns: Floats


def rtt_of(evidence: Evidence) -> Distribution:
    """Return the round trip: every lost probe is an infinite delay."""
    nothing = np.zeros(evidence.rows, np.int64)
    return Distribution(
        histograms=evidence.rtt,
        min_ns=evidence.rtt_min_ns,
        mean_ns=evidence.rtt_mean_ns,
        max_ns=evidence.rtt_max_ns,
        windows=_windows(evidence, evidence.window_rtt_mean_ns),
        infinite=evidence.lost,
        missing=nothing,
    )


def forward_of(evidence: Evidence) -> Distribution:
    """Return the way there. Probes lost on the way back, or nobody knows where, may have arrived.

    Where nothing came back at all the path is down, whichever direction broke it.
    """
    down = evidence.received == 0
    infinite = np.where(down, evidence.lost, evidence.lost_forward)
    return Distribution(
        histograms=evidence.forward,
        min_ns=evidence.forward_min_ns,
        mean_ns=evidence.forward_mean_ns,
        max_ns=evidence.forward_max_ns,
        windows=_windows(evidence, evidence.window_forward_mean_ns),
        infinite=infinite,
        missing=evidence.lost - infinite,
    )


def variation_of(evidence: Evidence) -> Distribution:
    """Return the delay variation: defined between received probes only (RFC 3393 §2.5)."""
    nothing = np.zeros(evidence.rows, np.int64)
    unknown = np.full(evidence.rows, np.nan)
    return Distribution(
        histograms=evidence.variation,
        min_ns=unknown,
        mean_ns=unknown,
        max_ns=unknown,
        windows=None,
        infinite=nothing,
        missing=nothing,
    )


def _windows(evidence: Evidence, mean_ns: Floats) -> WindowMeans:
    return WindowMeans(evidence.window_indptr, evidence.window_sent - evidence.window_lost, mean_ns)


def read(
    distribution: Distribution, row: Integers, statistic: NDArray[np.int8], alpha: float
) -> Reading:
    """Read `statistic[i]` of row `row[i]` with two-sided confidence 1 - alpha, all [m]."""
    reading = _read_quantiles(distribution, row, statistic, alpha)
    means = statistic == MEAN
    if means.any():
        low, high, point = _means(distribution, alpha)
        at = row[means]
        reading.low_ns[means], reading.high_ns[means] = low[at], high[at]
        reading.point_ns[means] = point[at]
    return reading


def _read_quantiles(
    distribution: Distribution, row: Integers, statistic: NDArray[np.int8], alpha: float
) -> Reading:
    reader = RankReader.over(distribution.histograms, distribution.min_ns, distribution.max_ns)
    missing = distribution.missing[row]
    samples = reader.totals[row] + distribution.infinite[row] + missing
    level = QUANTILE_OF_STATISTIC[statistic]
    quantile = ~np.isnan(level)
    lower, upper = confidence_ranks(samples, np.where(quantile, level, 0.5), alpha)
    point = point_rank(samples, np.where(quantile, level, 1.0))
    # The largest of the probes sent is a fact about them, not an estimate: no confidence needed.
    lower, upper = np.where(quantile, lower, samples), np.where(quantile, upper, samples)
    # A missing probe may stand anywhere: below all others for the low bound, above for the high.
    low = reader.lower_ns(row, np.where(lower <= missing, 0, lower - missing))
    high = reader.upper_ns(row, upper)
    value = reader.value_ns(row, point)
    nothing = samples == 0
    return Reading(low, np.where(nothing, np.inf, high), np.where(nothing, np.nan, value))


def _means(distribution: Distribution, alpha: float) -> tuple[Floats, Floats, Floats]:
    if distribution.windows is None:
        unknown = np.full(distribution.histograms.rows, np.nan)
        return unknown, unknown, unknown
    extremes = (distribution.min_ns, distribution.max_ns)
    low, high = mean_interval(
        distribution.mean_ns, distribution.histograms, distribution.windows, extremes, alpha
    )
    lost = distribution.infinite.astype(np.float64)
    sent = lost + distribution.missing + distribution.histograms.totals()
    surely_lost, _ = clopper_pearson(lost, sent, alpha)
    down = surely_lost > MOSTLY_LOST
    absent = np.isnan(low)
    low = np.where(down, np.inf, np.where(absent, -np.inf, low))
    high = np.where(down | absent, np.inf, high)
    return low, high, np.where(down, np.inf, distribution.mean_ns)
