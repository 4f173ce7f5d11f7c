"""Compliance rate: the share of paths that keep a target, undecided ones counted apart; and the
smallest list of paths to fix that would lift it to its goal.

A goal is reached when passed / total ≥ goal (`Compliance.low`), so every path that does not pass
is in its way. A unit (a path, or a pair of sites that complies only if all its paths do) is
lifted by fixing each of its paths that does not pass; units with fewer such paths come first, then
those nearest to their limit. Impossible demands are never listed: no work can fix them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import (
    FAIL,
    IMPOSSIBLE,
    NO_DATA,
    PASS,
    UNDECIDED,
    Judgements,
    Rules,
)

GoalVerdict = Literal["pass", "fail", "undecided", "no_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """How a target fares over its paths.

    ratio = passed / decided, None if none is decided. An impossible demand is decided: it is not
    kept. low counts every undecided or unmeasured path as failing, high as passing; both are exact
    statements about these paths, not estimates.
    """

    ratio: float | None
    low: float
    high: float
    decided: int
    passed: int
    total: int


def compliance(verdicts: NDArray[Any]) -> Compliance:
    """Return the compliance of one target's verdict codes, shape [n]; low, high NaN if n is 0."""
    total = len(verdicts)
    passed = int(np.count_nonzero(verdicts == PASS))
    decided = passed + int(np.count_nonzero(np.isin(verdicts, (FAIL, IMPOSSIBLE))))
    absent = float("nan")
    return Compliance(
        ratio=passed / decided if decided else None,
        low=passed / total if total else absent,
        high=(passed + total - decided) / total if total else absent,
        decided=decided,
        passed=passed,
        total=total,
    )


# Of several paths of a pair the first of these that occurs stands for it: a pair complies only if
# every one of its paths does, and is broken by one that fails.
_WORST_FIRST = (FAIL, IMPOSSIBLE, UNDECIDED, NO_DATA, PASS)
_RANK = np.argsort(_WORST_FIRST)


def verdict_of_units(
    verdicts: NDArray[Any], unit: NDArray[np.int64], units: int
) -> NDArray[np.int8]:
    """Return the verdict of each unit (such as a pair of sites) of several paths, int8[units].

    verdicts, unit [n], 0 ≤ unit < units; a unit without paths has no data.
    """
    rank = np.full(units, _WORST_FIRST.index(PASS), np.int64)
    np.minimum.at(rank, unit, _RANK[np.asarray(verdicts, np.int64)])
    answer = np.array(_WORST_FIRST, np.int8)[rank]
    answer[np.bincount(unit, minlength=units) == 0] = NO_DATA
    return answer


def goal_verdict(found: Compliance | None, goal: float) -> GoalVerdict:
    """Return whether the share of paths that pass reaches `goal`, whatever the open ones turn out.

    No data where not one path is decided.
    """
    if found is None or found.decided == 0:
        return "no_data"
    if found.low >= goal:
        return "pass"
    return "fail" if found.high < goal else "undecided"


def goal_verdicts(found: Compliance, goals: Mapping[str, float]) -> dict[str, GoalVerdict]:
    """Return the verdict of each year's goal."""
    return {year: goal_verdict(found, goal) for year, goal in goals.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """What would lift a rate to `goal`.

    total, passed: units. needed: how many more units must pass (0: the goal is reached). chosen
    int64[k]: rows of the paths to fix, in order; fewer units than needed if `reachable` is False.
    best: the rate if everything possible were fixed, NaN without units.
    """

    goal: float
    total: int
    passed: int
    needed: int
    reachable: bool
    best: float
    chosen: NDArray[np.int64]


def margins(rules: Rules, judgements: Judgements) -> NDArray[np.float64]:
    """Return by how much each demand exceeds its limit, as a share of it, float64[n].

    The point estimate over the limit less 1; where there is none the middle of the interval, else
    its known end. NaN where nothing is known, +inf where probes were lost for good.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(np.isneginf(judgements.low), np.nan, judgements.low)
        high = np.where(np.isposinf(judgements.high) & ~np.isposinf(low), np.nan, judgements.high)
        middle = np.where(np.isnan(low), high, np.where(np.isnan(high), low, (low + high) / 2))
        value = np.where(np.isnan(judgements.measured), middle, judgements.measured)
        answer: NDArray[np.float64] = value / rules.limit - 1
    return answer


def remediation(
    verdicts: NDArray[Any],
    margin: NDArray[np.float64],
    unit: NDArray[np.int64],
    units: int,
    goal: float,
) -> Remediation:
    """Return the smallest list of rows to fix. verdicts, margin, unit [n]; 0 ≤ unit < units.

    Unknown margins come last, and paths without data after those that were measured: whether they
    need fixing is not known, but until they are measured they count against the rate.
    """
    of_unit = verdict_of_units(verdicts, unit, units)
    passed = int(np.count_nonzero(of_unit == PASS))
    needed = max(0, math.ceil(goal * units - 1e-9) - passed)
    open_row = np.flatnonzero((verdicts != PASS) & (verdicts != IMPOSSIBLE))
    hopeless = np.bincount(unit[verdicts == IMPOSSIBLE], minlength=units) > 0
    empty = np.bincount(unit, minlength=units) == 0
    open_row = open_row[~hopeless[unit[open_row]]]
    order = _cheapest_first(verdicts, margin, unit, units, open_row)
    candidates = order[~hopeless[order] & ~empty[order] & (of_unit[order] != PASS)]
    taken = candidates[:needed]
    rank = np.full(units, units, np.int64)
    rank[taken] = np.arange(len(taken))
    rows = open_row[rank[unit[open_row]] < units]
    worst_last = np.lexsort((np.nan_to_num(margin[rows], nan=np.inf), rank[unit[rows]]))
    return Remediation(
        goal=goal,
        total=units,
        passed=passed,
        needed=needed,
        reachable=len(taken) == needed,
        best=(passed + len(candidates)) / units if units else math.nan,
        chosen=rows[worst_last],
    )


def _cheapest_first(
    verdicts: NDArray[Any],
    margin: NDArray[np.float64],
    unit: NDArray[np.int64],
    units: int,
    rows: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return all units, those with the fewest and nearest paths to fix first."""
    paths = np.bincount(unit[rows], minlength=units)
    unmeasured = np.bincount(unit[rows[verdicts[rows] == NO_DATA]], minlength=units)
    worst = np.full(units, -np.inf)
    np.fmax.at(worst, unit[rows], np.nan_to_num(margin[rows], nan=np.inf))
    order: NDArray[np.int64] = np.lexsort((worst, unmeasured, paths))
    return order


def action_of(verdict: int) -> str:
    """Return what a listed path needs: ``measure`` (better, or at all) before ``fix``."""
    return "measure" if verdict in (UNDECIDED, NO_DATA) else "fix"
