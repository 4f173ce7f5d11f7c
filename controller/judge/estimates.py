"""The evidence read for demands: what every later step of the judge works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge import design_effect
from controller.judge.batches import Batches
from controller.judge.evidence import QUANTILE_OF_STATISTIC, STATISTICS, Evidence
from controller.judge.loss import mostly_lost
from controller.judge.mean import Spread, WindowMeans, mean_interval, spread_of_mean
from controller.judge.quantile import RankReader, point_rank

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MEAN, MAX = STATISTICS.index("mean"), STATISTICS.index("max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One distribution of the evidence, with its losses, n rows.

    infinite int64[n]: probes that surely are infinite delays; missing int64[n]: lost probes of
    which it is unknown whether they are (lost the other way, or nobody knows where).
    spread: of the mean; None where no mean is kept. delay_design_effect, loss_design_effect
    float64[n]: the design effects of received and of lost probes.
    """

    reader: RankReader
    mean_ns: Floats
    spread: Spread | None
    infinite: Integers
    missing: Integers
    delay_design_effect: Floats
    loss_design_effect: Floats

    def ranks(self, row: Integers, level: Floats, alpha: float) -> tuple[Integers, Integers]:
        """Return the ranks of `row`'s samples between which the quantile lies, [m]."""
        samples = self.samples(row)
        return design_effect.effective_ranks(samples, level, self.effect_at(row, level), alpha)

    def upper_rank_if_delays_differ(self, row: Integers, level: Floats, alpha: float) -> Integers:
        """Return the upper rank as if no delay resembled its neighbours (losses may), [m]."""
        effect = self._effect_at(row, level, np.ones(len(row)))
        return design_effect.effective_ranks(self.samples(row), level, effect, alpha)[1]

    def upper_rank_by_what_was_slow(self, row: Integers, level: Floats, alpha: float) -> Integers:
        """Return the least rank that holds if what lies above it came in one burst at most, [m].

        m delays above a bound cannot have come in a burst of more than m: their design effect is
        m at most, and 1 where there are none.
        """
        received = self.reader.totals[row]
        samples = self.samples(row)
        fewest = np.zeros(len(row), np.int64)  # delays above the bound: surely few enough
        most = np.ceil((1 - level) * samples).astype(np.int64) + 1  # surely too many
        while (gap := most - fewest > 1).any():
            middle = np.where(gap, (fewest + most) // 2, fewest)
            burst = np.minimum(self.delay_design_effect[row], np.maximum(middle, 1))
            effect = self._effect_at(row, level, burst)
            upper = design_effect.effective_ranks(samples, level, effect, alpha)[1]
            enough = upper <= received - middle
            fewest = np.where(gap & enough, middle, fewest)
            most = np.where(gap & ~enough, middle, most)
        return received - fewest

    def samples(self, row: Integers) -> Integers:
        """Return how many probes of `row` have a delay, finite or not, [m]."""
        return self.reader.totals[row] + self.infinite[row] + self.missing[row]

    def effect_at(self, row: Integers, level: Floats) -> Floats:
        """Return the design effect of `row`'s samples at the quantile, [m]."""
        return self._effect_at(row, level, self.delay_design_effect[row])

    def _effect_at(self, row: Integers, level: Floats, delay_design_effect: Floats) -> Floats:
        lost = self.infinite[row] + self.missing[row]
        ratio = lost / np.maximum(self.samples(row), 1)
        return design_effect.of_quantile(
            delay_design_effect, self.loss_design_effect[row], ratio, level
        )


@dataclass(frozen=True, slots=True)
class Readable:
    """All that is read of the evidence; `loss_design_effect` is the design effect of
    losses, [n].
    """

    rtt: Distribution
    forward: Distribution
    variation: Distribution
    loss_design_effect: Floats


@dataclass(frozen=True, slots=True)
class Reading:
    """A statistic by sampling alone, per demand: nothing of clocks or calibration in it yet."""

    low_ns: Floats
    high_ns: Floats
    point_ns: Floats

    def take(self, place: Integers) -> Reading:
        """Return the readings at some places."""
        return Reading(self.low_ns[place], self.high_ns[place], self.point_ns[place])


def readable(evidence: Evidence) -> Readable:
    """Prepare evidence to be read, once for all rules."""
    batches = Batches.of(evidence.window_indptr)
    received = evidence.window_sent - evidence.window_lost
    batch_sent, batch_lost = batches.sums(evidence.window_sent), batches.sums(evidence.window_lost)
    batch_received = batch_sent - batch_lost

    def windows(mean_ns: Floats) -> WindowMeans:
        return WindowMeans(evidence.window_indptr, received, mean_ns, batch_received)

    losses = design_effect.of_losses(
        evidence.window_indptr,
        evidence.window_sent,
        evidence.window_lost,
        batches,
        (batch_sent, batch_lost),
    )
    return Readable(
        _rtt_of(evidence, losses, windows(evidence.window_rtt_mean_ns), batches),
        _forward_of(evidence, losses, windows(evidence.window_forward_mean_ns), batches),
        _variation_of(evidence),
        losses,
    )


def _rtt_of(
    evidence: Evidence, loss_design_effect: Floats, windows: WindowMeans, batches: Batches
) -> Distribution:
    """Return the round trip: every lost probe is an infinite delay."""
    extremes = (evidence.least_ns["rtt"], evidence.most_ns["rtt"])
    spread = spread_of_mean(evidence.distributions["rtt"], windows, extremes, batches)
    return Distribution(
        reader=RankReader.over(evidence.distributions["rtt"], *extremes),
        mean_ns=evidence.mean_ns["rtt"],
        spread=spread,
        infinite=evidence.lost,
        missing=np.zeros(evidence.rows, np.int64),
        delay_design_effect=design_effect.of_delays(spread),
        loss_design_effect=loss_design_effect,
    )


def _forward_of(
    evidence: Evidence, loss_design_effect: Floats, windows: WindowMeans, batches: Batches
) -> Distribution:
    """Return the way there. Probes lost on the way back, or nobody knows where, may have arrived.

    Where nothing came back at all the path is down, whichever direction broke it.
    """
    counters = evidence.counters
    infinite = np.where(counters["received"] == 0, evidence.lost, counters["lost_forward"])
    extremes = (evidence.least_ns["forward"], evidence.most_ns["forward"])
    spread = spread_of_mean(evidence.distributions["forward"], windows, extremes, batches)
    return Distribution(
        reader=RankReader.over(evidence.distributions["forward"], *extremes),
        mean_ns=evidence.mean_ns["forward"],
        spread=spread,
        infinite=infinite,
        missing=evidence.lost - infinite,
        delay_design_effect=design_effect.of_delays(spread),
        loss_design_effect=loss_design_effect,
    )


def _variation_of(evidence: Evidence) -> Distribution:
    """Return the delay variation: defined between received probes only (RFC 3393 §2.4)."""
    nothing = np.zeros(evidence.rows, np.int64)
    unknown = np.full(evidence.rows, np.nan)
    return Distribution(
        reader=RankReader.over(evidence.distributions["variation"], unknown, unknown),
        mean_ns=unknown,
        spread=None,
        infinite=nothing,
        missing=nothing,
        delay_design_effect=np.full(evidence.rows, design_effect.OF_VARIATION),
        loss_design_effect=np.ones(evidence.rows),
    )


def read(
    distribution: Distribution, row: Integers, statistic: NDArray[np.int8], alpha: float
) -> Reading:
    """Read `statistic[i]` of row `row[i]` with two-sided confidence 1 - alpha, all [m]."""
    means = statistic == MEAN
    if not means.any():
        return _read_quantiles(distribution, row, statistic, alpha)
    columns = [np.empty(len(row)) for _ in range(3)]
    for column, mean in zip(columns, _means(distribution, alpha), strict=True):
        column[means] = mean[row[means]]
    if not means.all():
        rest = _read_quantiles(distribution, row[~means], statistic[~means], alpha)
        for column, quantile in zip(
            columns, (rest.low_ns, rest.high_ns, rest.point_ns), strict=True
        ):
            column[~means] = quantile
    return Reading(*columns)


def _read_quantiles(
    distribution: Distribution, row: Integers, statistic: NDArray[np.int8], alpha: float
) -> Reading:
    reader, missing = distribution.reader, distribution.missing[row]
    samples = distribution.samples(row)
    level = QUANTILE_OF_STATISTIC[statistic]
    quantile = ~np.isnan(level)
    lower, upper = distribution.ranks(row, np.where(quantile, level, 0.5), alpha)
    point = point_rank(samples, np.where(quantile, level, 1.0))
    # The largest of the probes sent is a fact about them, not an estimate: no confidence needed.
    lower, upper = np.where(quantile, lower, samples), np.where(quantile, upper, samples)
    # A missing probe may stand anywhere: below all others for the low bound, above for the high.
    low = reader.lower_ns(row, np.where(lower <= missing, 0, lower - missing))
    high = reader.upper_ns(row, upper)
    value = reader.value_ns(row, point)
    # The reach of what was seen is never nearer than that of the point itself: most need no look.
    wide = high > design_effect.widened_ns(value, reader.min_ns[row])
    held = np.flatnonzero(quantile & wide & (distribution.delay_design_effect[row] > 1))
    if len(held):
        high[held] = _held_ns(distribution, row[held], level[held], high[held], alpha)
    nothing = samples == 0
    return Reading(low, np.where(nothing, np.inf, high), np.where(nothing, np.nan, value))


def _held_ns(
    distribution: Distribution, row: Integers, level: Floats, high_ns: Floats, alpha: float
) -> Floats:
    """Return upper ends that resemblance may not push beyond the reach of what was seen, [m]."""
    reader = distribution.reader
    rank = distribution.upper_rank_if_delays_differ(row, level, alpha)
    reach = design_effect.widened_ns(reader.upper_ns(row, rank), reader.min_ns[row])
    # Delays beyond that did come: they may have come in a burst, of which more may follow.
    came = np.flatnonzero((reader.max_ns[row] > reach) & (high_ns > reach))
    rank = distribution.upper_rank_by_what_was_slow(row[came], level[came], alpha)
    reach[came] = np.fmax(reach[came], reader.upper_ns(row[came], rank))
    return np.fmin(high_ns, reach)


def _means(distribution: Distribution, alpha: float) -> tuple[Floats, Floats, Floats]:
    totals = distribution.reader.totals
    if distribution.spread is None:
        unknown = np.full(len(totals), np.nan)
        return unknown, unknown, unknown
    low, high = mean_interval(distribution.mean_ns, totals, distribution.spread, alpha)
    lost = distribution.infinite.astype(np.float64)
    sent = lost + distribution.missing + totals
    down = mostly_lost(lost, sent, alpha)
    absent = np.isnan(low)
    low = np.where(down, np.inf, np.where(absent, -np.inf, low))
    high = np.where(down | absent, np.inf, high)
    return low, high, np.where(down, np.inf, distribution.mean_ns)
