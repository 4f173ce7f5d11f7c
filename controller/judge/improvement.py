"""Improvement on a sealed baseline period: paired per path and hour of the week.

A cell is a path in one hour of the week (0 = Monday 00:00 UTC … 167). What is compared are cells
that both periods have: the mix of paths and hours is then the same on both sides, whatever was
measured when. What only one side has is left out and counted, so that it can be said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge import design_effect
from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.loss import mostly_lost
from controller.judge.pairing import Interval, loss_ratio, paired_means

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HOURS = 168
WEEK_NS = HOURS * 3_600_000_000_000
_MONDAY_NS = 4 * 24 * 3_600_000_000_000  # 1970-01-05 was a Monday


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """c cells, in any order: unit int64 (number of the path), hour int64 (of the week).

    delay_ns float64: the statistic compared, NaN where nothing came back; bound_ns float64: by how
    much the clocks may put it wrong (0 for round trips, NaN: not trusted). sent int64; lost,
    lost_most int64: at least and at most, which differ where the direction is not known.
    """

    unit: Integers
    hour: Integers
    delay_ns: Floats
    bound_ns: Floats
    sent: Integers
    lost: Integers
    lost_most: Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """Now over baseline, n units: ratio (1 - ratio is the improvement), verdict, what it is based
    on.

    cells int64[n]: hours of the week that both have and that can be compared; common int64[n]: that
    both have at all; excluded int64[n]: that one side alone has; sent, lost int64[n]: probes of now
    within the common hours.
    """

    ratio: Interval
    verdict: NDArray[np.int8]
    cells: Integers
    common: Integers
    excluded: Integers
    sent: Integers
    lost: Integers


def hour_of_week(time_ns: Integers) -> Integers:
    """Return the hour of the week of wall-clock times, 0 to 167, Monday 00:00 UTC first."""
    hour: Integers = (np.asarray(time_ns, np.int64) - _MONDAY_NS) % WEEK_NS // 3_600_000_000_000
    return hour


def delay_improvement(
    base: Cells, now: Cells, units: int, limit: Floats, alpha: float = 0.05
) -> Improvement:
    """Compare delays: the ratio of the means over common hours, each hour counting alike.

    limit float64[units]: what the ratio may be at most. Fewer than five common hours leave it open.
    One way, what the clocks may put wrong widens the interval; hours without them do not count.
    """
    pair = _common(base, now)
    then_ns, now_ns = _known_ns(base, pair.base), _known_ns(now, pair.now)
    both = np.isfinite(then_ns) & np.isfinite(now_ns)
    indptr = _indptr(pair.unit, units)
    ratio, _, cells = paired_means(indptr, now_ns, then_ns, alpha)
    unit = pair.unit[both]
    share = [
        _share_in_doubt(side.bound_ns[at[both]], delay[both], unit, units)
        for side, at, delay in ((now, pair.now, now_ns), (base, pair.base, then_ns))
    ]
    answer = _answer(_widened(ratio, *share), limit, cells, base, now, pair, both, units)
    _fail_what_is_down(answer, now, pair, np.isfinite(then_ns), units, alpha)
    return answer


def _fail_what_is_down(
    answer: Improvement,
    now: Cells,
    pair: _Pairs,
    then: NDArray[np.bool_],
    units: int,
    alpha: float,
) -> None:
    """Fail the units of which most is lost now, in hours in which the baseline has a delay."""
    unit, at_now = pair.unit[then], pair.now[then]
    sent, lost = (np.bincount(unit, column[at_now], units) for column in (now.sent, now.lost))
    silent = np.bincount(unit[np.isnan(now.delay_ns[at_now])], minlength=units)
    # Where nothing came back at all, the path is down whichever direction broke it.
    silent_all = (silent == np.bincount(unit, minlength=units)) & (silent > 0)
    gone = np.bincount(unit, now.lost_most[at_now], units)
    down = mostly_lost(np.where(silent_all, gone, lost), sent, alpha)
    answer.verdict[down] = FAIL
    for column in (answer.ratio.point, answer.ratio.low, answer.ratio.high):
        column[down] = np.inf
    answer.sent[down], answer.lost[down] = sent[down], gone[down]


def _known_ns(cells: Cells, at: Integers) -> Floats:
    """Return the delays of some cells, NaN where no clock stands behind them."""
    return np.where(np.isnan(cells.bound_ns[at]), np.nan, cells.delay_ns[at])


def _share_in_doubt(bound_ns: Floats, delay_ns: Floats, unit: Integers, units: int) -> Floats:
    """Return by what share of itself each unit's mean delay may be wrong; infinite where the clocks
    make it nothing or less."""
    bound, delay = np.bincount(unit, bound_ns, units), np.bincount(unit, delay_ns, units)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(delay > 0, bound / delay, np.inf)
    return np.where((delay == 0) & (bound == 0), 0.0, share)


def _widened(ratio: Interval, now: Floats, base: Floats) -> Interval:
    """Return an interval of now / base that also holds what the clocks leave open of either."""
    with np.errstate(divide="ignore", invalid="ignore"):
        high = np.where((base < 1) & (now < np.inf), ratio.high * (1 + now) / (1 - base), np.inf)
    return Interval(ratio.point, ratio.low * np.maximum(1 - now, 0.0) / (1 + base), high)


def loss_improvement(
    base: Cells, now: Cells, units: int, limit: Floats, alpha: float = 0.05
) -> Improvement:
    """Compare loss over common hours: the baseline is re-weighted to the hours' share in now.

    Kish's effective size stands for the re-weighted baseline; both sides are divided by the design
    effect of their hours (bursts), then the exact conditional interval of the ratio is taken.
    """
    pair = _common(base, now)
    both = (base.sent[pair.base] > 0) & (now.sent[pair.now] > 0)
    ratio = _loss_ratio(base, now, pair, both, units, alpha, base.lost_most, now.lost)
    if (base.lost_most != base.lost).any() or (now.lost_most != now.lost).any():
        # What is lost nobody knows where counts for neither end.
        most = _loss_ratio(base, now, pair, both, units, alpha, base.lost, now.lost_most)
        point = np.where(ratio.point == most.point, ratio.point, np.nan)
        ratio = Interval(point, ratio.low, most.high)
    cells = np.bincount(pair.unit[both], minlength=units)
    return _answer(ratio, limit, cells, base, now, pair, both, units)


def _loss_ratio(
    base: Cells,
    now: Cells,
    pair: _Pairs,
    both: NDArray[np.bool_],
    units: int,
    alpha: float,
    base_lost: Integers,
    now_lost: Integers,
) -> Interval:
    unit, at_base, at_now = pair.unit[both], pair.base[both], pair.now[both]
    sent = np.bincount(unit, now.sent[at_now], units)
    lost = np.bincount(unit, now_lost[at_now], units)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = now.sent[at_now] / sent[unit]
        base_ratio = np.bincount(unit, weight * base_lost[at_base] / base.sent[at_base], units)
        base_sent = 1 / np.bincount(unit, weight**2 / base.sent[at_base], units)
        base_sent = np.where(np.isfinite(base_sent), base_sent, 0.0)
    indptr = _indptr(unit, units)
    effect_now = design_effect.of_losses(indptr, now.sent[at_now], now_lost[at_now])
    effect_base = design_effect.of_losses(indptr, base.sent[at_base], base_lost[at_base])
    return loss_ratio(
        lost / effect_now,
        sent / effect_now,
        base_ratio * base_sent / effect_base,
        base_sent / effect_base,
        alpha,
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Cells of the same unit and hour: places in either side, sorted by unit, then hour."""

    unit: Integers
    base: Integers
    now: Integers


def _common(base: Cells, now: Cells) -> _Pairs:
    key_base, key_now = base.unit * HOURS + base.hour, now.unit * HOURS + now.hour
    key, at_base, at_now = np.intersect1d(key_base, key_now, return_indices=True)
    return _Pairs(key // HOURS, at_base, at_now)


def _indptr(unit: Integers, units: int) -> Integers:
    return np.searchsorted(unit, np.arange(units + 1)).astype(np.int64)


def _answer(
    ratio: Interval,
    limit: Floats,
    cells: Integers,
    base: Cells,
    now: Cells,
    pair: _Pairs,
    both: NDArray[np.bool_],
    units: int,
) -> Improvement:
    verdict = np.where(
        ratio.high <= limit, PASS, np.where(ratio.low > limit, FAIL, UNDECIDED)
    ).astype(np.int8)
    verdict[cells == 0] = NO_DATA
    unit, at_now = pair.unit[both], pair.now[both]
    return Improvement(
        ratio=ratio,
        verdict=verdict,
        cells=cells,
        common=np.bincount(pair.unit, minlength=units),
        excluded=np.bincount(base.unit, minlength=units)
        + np.bincount(now.unit, minlength=units)
        - 2 * np.bincount(pair.unit, minlength=units),
        sent=np.bincount(unit, now.sent[at_now], units).astype(np.int64),
        lost=np.bincount(unit, now.lost_most[at_now], units).astype(np.int64),
    )
