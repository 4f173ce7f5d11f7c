"""One path beside another over the same windows: ordinary beside dedicated, IPv4 beside IPv6."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.judge import design_effect
from controller.judge.estimates import read, readable
from controller.judge.evidence import (
    FAIL,
    NO_DATA,
    PASS,
    STATISTICS,
    UNDECIDED,
    Evidence,
    places_of,
)
from controller.judge.loss import mostly_lost
from controller.judge.pairing import Interval, loss_difference, loss_ratio, paired_means
from foundation.ragged import row_of_entry, spans

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MEAN = STATISTICS.index("mean")
MOST_WINDOWS = 1e6  # beyond, more windows are no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPairs:
    """k comparisons: row `own[i]` of the evidence against row `other[i]` (-1: there is none).

    statistic int8[k] of the round trip; of_loss bool[k]: the ratio judged is that of loss; limit
    float64[k]: at most this ratio; parity bool[k]: IPv6 beside IPv4, which also binds reachability
    and, by loss_margin float64[k], the difference of loss.
    """

    own: Integers
    other: Integers
    statistic: NDArray[np.int8]
    of_loss: NDArray[np.bool_]
    limit: Floats
    parity: NDArray[np.bool_]
    loss_margin: Floats

    def on(self, at: Integers, rows: Integers) -> ComparisonPairs:
        """Return comparisons `at`, whose rows all are among `rows` (ascending), by places there."""
        columns = {field.name: getattr(self, field.name)[at] for field in dataclasses.fields(self)}
        places = {name: places_of(columns[name], rows) for name in ("own", "other")}
        return ComparisonPairs(**columns | places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The answers, [k]: own over other and own less other, over the `windows` both have."""

    verdict: NDArray[np.int8]
    windows: Integers
    delay_ratio: Interval
    delay_difference_ns: Interval
    loss_ratio: Interval
    loss_difference: Interval
    own_lost: Integers
    own_sent: Integers
    other_lost: Integers
    other_sent: Integers


def compare(
    evidence: Evidence, start_ns: Integers, asked: ComparisonPairs, alpha: float = 0.05
) -> Compared:
    """Compare pairs of rows. start_ns int64[m]: when each window of the evidence began."""
    k = len(asked.own)
    own, other = np.maximum(asked.own, 0), np.maximum(asked.other, 0)
    both = (asked.own >= 0) & (asked.other >= 0)
    mine, its, of = _common_windows(evidence.window_indptr, start_ns, own, other, both)
    indptr = np.searchsorted(of, np.arange(k + 1)).astype(np.int64)
    mean, gap, _ = paired_means(
        indptr, evidence.window_rtt_mean_ns[mine], evidence.window_rtt_mean_ns[its], alpha
    )
    quantile = both & (asked.statistic != MEAN)
    _put_quantiles(evidence, asked, np.flatnonzero(quantile), alpha, mean, gap)
    counts = [
        np.bincount(of, column[entry], k)
        for entry in (mine, its)
        for column in (evidence.window_lost, evidence.window_sent)
    ]
    effect = [
        design_effect.of_losses(indptr, evidence.window_sent[entry], evidence.window_lost[entry])
        for entry in (mine, its)
    ]
    lost, sent = counts[0] / effect[0], counts[1] / effect[0]
    base_lost, base_sent = counts[2] / effect[1], counts[3] / effect[1]
    ratio = loss_ratio(lost, sent, base_lost, base_sent, alpha)
    difference = loss_difference(lost, sent, base_lost, base_sent, alpha)
    answer = Compared(
        verdict=np.full(k, NO_DATA, np.int8),
        windows=np.diff(indptr),
        delay_ratio=mean,
        delay_difference_ns=gap,
        loss_ratio=ratio,
        loss_difference=difference,
        own_lost=counts[0].astype(np.int64),
        own_sent=counts[1].astype(np.int64),
        other_lost=counts[2].astype(np.int64),
        other_sent=counts[3].astype(np.int64),
    )
    answer.verdict[:] = _verdicts(evidence, asked, answer, both, alpha)
    return answer


def _verdicts(
    evidence: Evidence,
    asked: ComparisonPairs,
    found: Compared,
    both: NDArray[np.bool_],
    alpha: float,
) -> NDArray[np.int8]:
    of_loss = asked.of_loss & ~asked.parity
    low = np.where(of_loss, found.loss_ratio.low, found.delay_ratio.low)
    high = np.where(of_loss, found.loss_ratio.high, found.delay_ratio.high)
    verdict = _within(low, high, asked.limit)
    loss = _within(found.loss_difference.low, found.loss_difference.high, asked.loss_margin)
    joint = np.where(
        (verdict == FAIL) | (loss == FAIL),
        FAIL,
        np.where((verdict == PASS) & (loss == PASS), PASS, UNDECIDED),
    )
    verdict = np.where(asked.parity, joint, verdict)
    verdict[found.windows == 0] = NO_DATA
    own, other = np.maximum(asked.own, 0), np.maximum(asked.other, 0)
    lost = evidence.lost.astype(np.float64)
    dead = mostly_lost(lost, evidence.sent, alpha)
    down = (asked.own >= 0) & dead[own]
    other_lives = both & ~dead[other] & (evidence.counters["received"][other] > 0)
    # Where most is lost the delay is infinite, and IPv6 is not reachable; where there is no IPv4,
    # being reachable is all that is asked.
    verdict[down & other_lives & ~of_loss] = FAIL
    alone = asked.parity & (asked.own >= 0) & (asked.other < 0) & (evidence.sent[own] > 0)
    verdict[alone] = np.where(evidence.counters["received"][own][alone] > 0, PASS, UNDECIDED)
    verdict[alone & down] = FAIL
    return verdict.astype(np.int8)


def more_windows(asked: ComparisonPairs, found: Compared) -> Floats:
    """Return about how many more common windows would decide each undecided comparison, [k].

    Intervals shrink with the root of what they are based on; where nothing was lost, the greatest
    loss that is left shrinks with all of it. NaN for what is decided, and where no number can be
    told.
    """
    of_loss = asked.of_loss & ~asked.parity
    ratio, gap = found.delay_ratio, found.loss_difference
    with np.errstate(invalid="ignore", divide="ignore"):
        delay = ((ratio.high - ratio.low) / 2 / (asked.limit - ratio.point)) ** 2
        rate = found.loss_ratio  # its ends stand about evenly around it on the log scale
        loss = (np.log(rate.high / rate.low) / 2 / np.log(asked.limit / rate.point)) ** 2
        none = (found.own_lost == 0) & (found.other_lost == 0)
        points = ((gap.high - gap.low) / 2 / (asked.loss_margin - gap.point)) ** np.where(
            none, 1, 2
        )
        open_delay = (ratio.high > asked.limit) & (ratio.low <= asked.limit)
        open_loss = (gap.high > asked.loss_margin) & (gap.low <= asked.loss_margin)
        both = np.maximum(np.where(open_delay, delay, 0), np.where(open_loss, points, 0))
        times = np.where(asked.parity, both, np.where(of_loss, loss, delay))
        more = np.ceil(found.windows * (times - 1))
    useful = (found.verdict == UNDECIDED) & np.isfinite(more) & (more < MOST_WINDOWS)
    return np.where(useful, np.maximum(more, 1), np.nan)


def _within(low: Floats, high: Floats, limit: Floats) -> NDArray[Any]:
    return np.where(high <= limit, PASS, np.where(low > limit, FAIL, UNDECIDED))


def _common_windows(
    indptr: Integers, start_ns: Integers, own: Integers, other: Integers, used: NDArray[np.bool_]
) -> tuple[Integers, Integers, Integers]:
    """Return (window of own, window of other, comparison) of each start that both have, sorted."""
    moments, rank = np.unique(start_ns, return_inverse=True)
    span = max(1, len(moments))
    sides = []
    for row in (own, other):
        common, entry = spans(indptr[row], np.where(used, indptr[row + 1] - indptr[row], 0))
        of = row_of_entry(common)
        sides.append((of * span + rank[entry] if len(of) else of, entry))
    key, mine, its = np.intersect1d(sides[0][0], sides[1][0], return_indices=True)
    return sides[0][1][mine], sides[1][1][its], key // span


def _put_quantiles(
    evidence: Evidence,
    asked: ComparisonPairs,
    at: Integers,
    alpha: float,
    ratio: Interval,
    gap: Interval,
) -> None:
    """Fill in quantiles: order statistics of both, each at half the error (Bonferroni)."""
    if not len(at):
        return
    rows, place = np.unique(np.concatenate([asked.own[at], asked.other[at]]), return_inverse=True)
    known = readable(evidence.take(rows)).rtt
    mine = read(known, place[: len(at)], asked.statistic[at], alpha / 2)
    its = read(known, place[len(at) :], asked.statistic[at], alpha / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        for interval, operation in ((ratio, np.divide), (gap, np.subtract)):
            for column, values in (
                (interval.point, operation(mine.point_ns, its.point_ns)),
                (interval.low, operation(mine.low_ns, its.high_ns)),
                (interval.high, operation(mine.high_ns, its.low_ns)),
            ):
                column[at] = values
        for interval, least in ((ratio, 0.0), (gap, -np.inf)):
            interval.low[at] = np.where(np.isnan(interval.low[at]), least, interval.low[at])
            interval.low[at] = np.maximum(interval.low[at], least)
            interval.high[at] = np.where(np.isnan(interval.high[at]), np.inf, interval.high[at])
        ratio.high[at] = np.where(its.low_ns > 0, ratio.high[at], np.inf)
