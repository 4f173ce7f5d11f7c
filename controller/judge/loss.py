"""Loss: exact intervals, and a test that may be looked at again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from controller.judge.evidence import MOSTLY_LOST

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The two figures of the Jiangsu plan between which every path is placed.
DEDICATED_LOSS_RATIO = 0.0077
ORDINARY_LOSS_RATIO = 0.0376


GRID_POINTS = 60  # docs/concepts/measurement.md §6.3
GRID_REACH = 100.0  # the alternatives lie within a factor 100 of the limit


def clopper_pearson(lost: Floats, sent: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return the exact two-sided interval of a proportion with confidence ≥ 1 - alpha.

    Shapes [n]; fractions are allowed, since a design effect divides them. (0, 1) where
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
