"""Loss: exact intervals, thinned for bursts, and a test that may be looked at again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.batches import Batches

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The two figures of the Jiangsu plan between which every path is placed.
DEDICATED_LOSS_RATIO = 0.0077
ORDINARY_LOSS_RATIO = 0.0376

# What is assumed of bursts before windows have shown it: a design effect of 2 (Gilbert loss with a
# mean burst of 1.5, docs/concepts/measurement.md §6.2), which weighs as much as five windows with
# losses.
PRIOR_DESIGN_EFFECT = 2.0
PRIOR_EVENTS = 5.0

MOSTLY_LOST = 0.5

GRID_POINTS = 60  # docs/concepts/measurement.md §6.3
GRID_REACH = 100.0  # the alternatives lie within a factor 100 of the limit


def clopper_pearson(lost: Floats, sent: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return the exact two-sided interval of a proportion with confidence ≥ 1 - alpha.

    Shapes [n]; fractions are allowed, as thinning by a design effect makes them. (0, 1) where
    nothing was sent.
    """
    return least_ratio(lost, sent, alpha), greatest_ratio(lost, sent, alpha)


def least_ratio(lost: Floats, sent: Floats, alpha: float) -> Floats:
    """Return the low end of `clopper_pearson` alone, at half the cost."""
    lost, sent = np.asarray(lost, np.float64), np.asarray(sent, np.float64)
    answer, some = np.zeros(len(lost)), lost > 0
    answer[some] = special.betaincinv(lost[some], (sent - lost)[some] + 1, alpha / 2)
    return answer


def greatest_ratio(lost: Floats, sent: Floats, alpha: float) -> Floats:
    """Return the high end of `clopper_pearson` alone, at half the cost."""
    lost, sent = np.asarray(lost, np.float64), np.asarray(sent, np.float64)
    with np.errstate(divide="ignore"):
        answer = 1 - (alpha / 2) ** (1 / sent)  # what it comes to where nothing was lost
    some, kept = lost > 0, lost < sent
    answer[~kept] = 1.0
    some &= kept
    answer[some] = special.betaincinv(lost[some] + 1, (sent - lost)[some], 1 - alpha / 2)
    return answer


def mostly_lost(lost: NDArray[Any], sent: NDArray[Any], alpha: float) -> NDArray[np.bool_]:
    """Return where surely more than half was lost: a mean over the rest says nothing of the path.

    Shapes [n]; its delay counts as infinite. Six probes of six are the fewest that say so at 5 %.
    """
    down: NDArray[np.bool_] = np.asarray(lost > MOSTLY_LOST * sent)
    down[down] = least_ratio(lost[down], sent[down], alpha) > MOSTLY_LOST
    return down


def design_effect(
    indptr: Integers,
    sent: Integers,
    lost: Integers,
    batches: Batches | None = None,
    batch_counts: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Return by how much bursts of loss thin the evidence, float64[n], never below 1.

    The larger dispersion of the losses of single windows and of batches of them (a burst may
    straddle windows); raised towards the prior while few windows have lost anything.
    indptr int64[n+1]; sent, lost [m]; `batches` of the same windows, and sent and lost of each, if
    they are known already.
    """
    longer = Batches.of(indptr) if batches is None else batches
    long_sent, long_lost = batch_counts or (longer.sums(sent), longer.sums(lost))
    all_sent, all_lost = longer.by_row(long_sent), longer.by_row(long_lost)
    all_used = not len(sent) or sent.min() > 0
    windows = np.diff(indptr) if all_used else longer.by_row(longer.sums(sent > 0))
    with_loss = np.flatnonzero(lost)  # few windows, as a rule
    row = np.searchsorted(indptr, with_loss, side="right") - 1
    lossy = np.bincount(row, minlength=longer.rows).astype(np.float64)
    within = _squares(lost[with_loss], sent[with_loss])
    squares = np.bincount(row, within, longer.rows).astype(np.float64)
    long_squares = longer.by_row(_squares(long_lost, long_sent))
    long_windows = longer.by_row(long_sent > 0)
    seen = np.maximum(
        _dispersion(squares, all_sent, all_lost, windows),
        _dispersion(long_squares, all_sent, all_lost, long_windows),
    )
    # What tells of bursts is windows with losses, not windows (and never a single one). One
    # standard error is added to what was seen above 1: few bursts tell little of their own length.
    lossy = np.where(windows > 1, lossy, 0.0)
    error = np.sqrt(2 / np.maximum(lossy, 1))
    seen = 1.0 + np.maximum(seen - 1.0, 0.0) * (1 + error)
    shrunk = (PRIOR_EVENTS * PRIOR_DESIGN_EFFECT + lossy * seen) / (PRIOR_EVENTS + lossy)
    # The prior may raise what the windows show, never lower it: too short intervals are worse.
    answer: Floats = np.maximum(shrunk, seen)
    return answer


def _squares(lost: NDArray[Any], sent: NDArray[Any]) -> Floats:
    """Return lost² / sent, 0 where nothing was sent."""
    square = np.square(lost, dtype=np.float64)
    answer: Floats = np.divide(square, sent, out=np.zeros(len(sent)), where=sent > 0)
    return answer


def _dispersion(squares: Floats, sent: Floats, lost: Floats, windows: NDArray[Any]) -> Floats:
    """Return Pearson's X² of each row's windows over its degrees of freedom; 1 where unknown, [n].

    Σ (k - np)² / np(1 - p) over the windows is (Σ k²/n - K²/N) / p(1 - p). Where nothing (or
    everything) was lost the windows cannot differ: no bursts were seen.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lost / sent
        dispersion = (squares - lost * ratio) / (ratio * (1 - ratio)) / (windows - 1)
        known = np.isfinite(dispersion) & (windows > 1)
    answer: Floats = np.where(known, dispersion, 1.0)
    return answer


def log_evidence(lost: Floats, sent: Floats, limit: Floats, *, below: bool) -> Floats:
    """Return the log e-value against "loss ≥ limit" (`below`) or against "loss ≤ limit", [n].

    An average of likelihood ratios over a geometric grid on the side of the alternative: under the
    hypothesis its expectation never exceeds 1, however often it is looked at (Ville), so a value of
    1/α may be acted on at any time with an error of at most α (docs/concepts/measurement.md §6.3).
    """
    log_ratio = _log_ratios(lost, sent, limit, np.arange(1, GRID_POINTS + 1), below=below)
    top: Floats = log_ratio.max(axis=1)
    mixture: Floats = top + np.log(np.exp(log_ratio - top[:, None]).mean(axis=1))
    return mixture


def evidence_reaches(
    lost: Floats, sent: Floats, limit: Floats, *, below: bool, needed: float
) -> NDArray[np.bool_]:
    """Return whether `log_evidence` is at least `needed`, bool[n], at a fraction of its cost.

    No average is below its greatest part: where one of a few points of the grid suffices, the
    others need not be computed.
    """
    few = _log_ratios(lost, sent, limit, np.arange(3, GRID_POINTS, 10), below=below)
    reached: NDArray[np.bool_] = few.max(axis=1) - np.log(GRID_POINTS) >= needed
    open_ = np.flatnonzero(~reached)
    exact = log_evidence(lost[open_], sent[open_], limit[open_], below=below)
    reached[open_] = exact >= needed
    return reached


def _log_ratios(
    lost: Floats, sent: Floats, limit: Floats, point: Integers, *, below: bool
) -> Floats:
    """Return the log likelihood ratios of points of the grid against the limit, [n, points]."""
    lost, sent, limit = (np.asarray(x, np.float64)[:, None] for x in (lost, sent, limit))
    step = point / GRID_POINTS
    reach = -np.log(GRID_REACH) if below else np.log(np.minimum(GRID_REACH, 0.999 / limit))
    alternative = limit * np.exp(reach * step)
    kept = np.log1p(-alternative) - np.log1p(-limit)
    answer: Floats = lost * (reach * step) + (sent - lost) * kept
    return answer


def scale_position(ratio: Floats) -> Floats:
    """Return where a loss ratio stands: 0 at 0.77 %, 1 at 3.76 %, logarithmic; -inf at no loss."""
    span = np.log(ORDINARY_LOSS_RATIO / DEDICATED_LOSS_RATIO)
    with np.errstate(divide="ignore"):
        position: Floats = np.log(np.asarray(ratio) / DEDICATED_LOSS_RATIO) / span
    return position
