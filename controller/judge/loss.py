"""Loss: exact intervals, thinned for bursts, and a test that may be looked at again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The two figures of the Jiangsu plan between which every path is placed.
DEDICATED_LOSS_RATIO = 0.0077
ORDINARY_LOSS_RATIO = 0.0376

# What is assumed of bursts before windows have shown it: a design effect of 2 (Gilbert loss with a
# mean burst of 1.5, MEASUREMENT F.2), which weighs as much as ten windows.
PRIOR_DESIGN_EFFECT = 2.0
PRIOR_WINDOWS = 10.0

GRID_POINTS = 60  # MEASUREMENT F.3
GRID_REACH = 100.0  # the alternatives lie within a factor 100 of the limit


def clopper_pearson(lost: Floats, sent: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return the exact two-sided interval of a proportion with confidence ≥ 1 - alpha.

    Shapes [n]; fractions are allowed, as thinning by a design effect makes them. (0, 1) where
    nothing was sent.
    """
    lost, sent = np.asarray(lost, np.float64), np.asarray(sent, np.float64)
    inner_low = np.maximum(lost, 1e-300)
    low = special.betaincinv(inner_low, sent - lost + 1, alpha / 2)
    high = special.betaincinv(lost + 1, np.maximum(sent - lost, 1e-300), 1 - alpha / 2)
    return np.where(lost <= 0, 0.0, low), np.where(lost >= sent, 1.0, high)


def design_effect(indptr: Integers, sent: Integers, lost: Integers) -> Floats:
    """Return by how much bursts of loss thin the evidence, float64[n], never below 1.

    The dispersion of the windows' losses about the overall ratio, Pearson's X² over its degrees of
    freedom, raised towards the prior while windows are few. indptr int64[n+1]; sent, lost [m].
    """
    rows = len(indptr) - 1
    row = np.repeat(np.arange(rows), np.diff(indptr))
    used = sent > 0
    row, n, k = row[used], sent[used].astype(np.float64), lost[used].astype(np.float64)
    windows = np.bincount(row, minlength=rows).astype(np.float64)
    all_sent = np.bincount(row, n, rows)
    all_lost = np.bincount(row, k, rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = all_lost / all_sent
        expected = n * ratio[row]
        square = (k - expected) ** 2 / (expected * (1 - ratio[row]))
        dispersion = np.bincount(row, square, rows) / (windows - 1)
    freedom = np.maximum(windows - 1, 0)
    # Where nothing (or everything) was lost the windows cannot differ: no bursts were seen. One
    # standard error is added to what was seen above 1: few bursts tell little of their own length.
    error = np.sqrt(2 / np.maximum(freedom, 1))
    excess = np.where(np.isfinite(dispersion), np.maximum(dispersion - 1.0, 0.0), 0.0)
    seen = 1.0 + excess * (1 + error)
    shrunk = (PRIOR_WINDOWS * PRIOR_DESIGN_EFFECT + freedom * seen) / (PRIOR_WINDOWS + freedom)
    # The prior may raise what the windows show, never lower it: too short intervals are worse.
    return np.maximum(shrunk, seen)


def log_evidence(lost: Floats, sent: Floats, limit: Floats, *, below: bool) -> Floats:
    """Return the log e-value against "loss ≥ limit" (`below`) or against "loss ≤ limit", [n].

    An average of likelihood ratios over a geometric grid on the side of the alternative: under the
    hypothesis its expectation never exceeds 1, however often it is looked at (Ville), so a value of
    1/α may be acted on at any time with an error of at most α (MEASUREMENT F.3).
    """
    lost, sent, limit = (np.asarray(x, np.float64)[:, None] for x in (lost, sent, limit))
    step = np.arange(1, GRID_POINTS + 1) / GRID_POINTS
    if below:
        return _mixture(limit * GRID_REACH**-step, lost, sent, limit)
    return _mixture(limit * np.minimum(GRID_REACH, 0.999 / limit) ** step, lost, sent, limit)


def _mixture(alternative: Floats, lost: Floats, sent: Floats, limit: Floats) -> Floats:
    log_ratio = lost * np.log(alternative / limit) + (sent - lost) * (
        np.log1p(-alternative) - np.log1p(-limit)
    )
    top: Floats = log_ratio.max(axis=1)
    mixture: Floats = top + np.log(np.exp(log_ratio - top[:, None]).mean(axis=1))
    return mixture


def scale_position(ratio: Floats) -> Floats:
    """Return where a loss ratio stands: 0 at 0.77 %, 1 at 3.76 %, logarithmic; -inf at no loss."""
    span = np.log(ORDINARY_LOSS_RATIO / DEDICATED_LOSS_RATIO)
    with np.errstate(divide="ignore"):
        position: Floats = np.log(np.asarray(ratio) / DEDICATED_LOSS_RATIO) / span
    return position
