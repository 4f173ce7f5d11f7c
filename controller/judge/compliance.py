"""Compliance rate: the share of paths that keep a target, undecided ones counted apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import FAIL, IMPOSSIBLE, NO_DATA, PASS, UNDECIDED

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
