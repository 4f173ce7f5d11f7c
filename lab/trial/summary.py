"""A trial from end to end, summed up: how often verdicts were wrong, how often intervals held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from controller.judge.compliance import compliance
from controller.judge.evidence import UNDECIDED
from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.family import Family
from lab.trial.intervals import Interval
from lab.trial.score import Result, Trial, try_cases

ERROR_RATE = 0.05  # what every verdict and interval is stated to keep to
# Chance that a count of a judge that errs exactly as often as stated is found to exceed it.
FALSE_ALARM = 1e-4
BEYOND_SHARE = 0.1  # cases beyond the promise, for every case within it
_GROUP = 10  # paths of one target, for the compliance rate
_GROUPS = 200


class FamilyScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one family of cases fared. `allowed_wrong`: more would break the promise."""

    name: str
    promised: bool
    cases: int
    wrong_pass: int
    wrong_fail: int
    undecided: int
    undecided_needlessly: int
    allowed_wrong: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How often intervals of one kind held the truth. Fewer than `needed` would break the promise.

    `width_ratio`: median of (high - low) / truth over those that are finite; None without any.
    """

    intervals: int
    held: int
    needed: int
    width_ratio: float | None

    @property
    def ratio(self) -> float:
        """Share that held."""
        return self.held / self.intervals


@dataclass(frozen=True, slots=True)
class Summary:
    """Scores of all families, and coverage by kind of interval (promised families only)."""

    families: list[FamilyScore]
    coverage: dict[str, Coverage]

    def total(self, field: str) -> int:
        """Add a count up over the promised families."""
        return sum(int(getattr(score, field)) for score in self.families if score.promised)

    @property
    def wrong_allowed(self) -> int:
        """How many wrong verdicts the stated error rate allows of the promised cases: no more."""
        return math.floor(ERROR_RATE * self.total("cases"))

    def broken(self) -> list[str]:
        """Return which promises are broken, as names of families and kinds of intervals."""
        names = [
            score.name
            for score in self.families
            if score.promised
            and (
                score.wrong_pass + score.wrong_fail > score.allowed_wrong
                or score.undecided_needlessly > 0
            )
        ]
        if self.total("wrong_pass") + self.total("wrong_fail") > self.wrong_allowed:
            names.append("total")
        return names + [kind for kind, found in self.coverage.items() if found.held < found.needed]


def run_trial(cases: int, seed: int) -> Summary:
    """Try `cases` cases of the promised families, and a tenth as many of the others."""
    promised = [family for family in FAMILIES if family.promised]
    beyond = [family for family in FAMILIES if not family.promised]
    drawn = draw_cases(promised, cases, seed)
    drawn += draw_cases(beyond, max(1, round(cases * BEYOND_SHARE)), seed + 1)
    return summarise(FAMILIES, try_cases(drawn, seed), seed)


def summarise(families: Sequence[Family], trial: Trial, seed: int) -> Summary:
    """Sum a trial up; `seed` chooses the groups of paths that compliance rates are tried on."""
    promised = {family.name for family in families if family.promised}
    scores = [
        _family_score(family, [r for r in trial.results if r.case.family == family.name])
        for family in families
    ]
    kept = [interval for interval in trial.intervals if interval.case.family in promised]
    coverage = {
        kind: _coverage([interval for interval in kept if interval.kind == kind])
        for kind in dict.fromkeys(interval.kind for interval in kept)
    }
    results = [result for result in trial.results if result.case.family in promised]
    coverage["compliance"] = _compliance(results, np.random.default_rng([seed, 11]))
    return Summary([score for score in scores if score.cases], coverage)


def _family_score(family: Family, results: Sequence[Result]) -> FamilyScore:
    return FamilyScore(
        name=family.name,
        promised=family.promised,
        cases=len(results),
        wrong_pass=sum(result.wrong_pass for result in results),
        wrong_fail=sum(result.wrong_fail for result in results),
        undecided=sum(result.verdict == UNDECIDED for result in results),
        undecided_needlessly=sum(result.needless for result in results),
        allowed_wrong=_most(len(results), ERROR_RATE),
    )


def _most(count: int, rate: float) -> int:
    """Return the least count that Binomial(count, rate) exceeds with at most FALSE_ALARM."""
    from scipy.stats import binom

    return int(binom.isf(FALSE_ALARM, count, rate)) if count else 0


def _coverage(intervals: Sequence[Interval]) -> Coverage:
    held = sum(interval.holds for interval in intervals)
    widths = [
        (interval.high - interval.low) / interval.truth
        for interval in intervals
        if 0 < interval.truth < math.inf and math.isfinite(interval.high - interval.low)
    ]
    return Coverage(
        intervals=len(intervals),
        held=held,
        needed=len(intervals) - _most(len(intervals), ERROR_RATE),
        width_ratio=float(np.median(widths)) if widths else None,
    )


def _compliance(results: Sequence[Result], rng: np.random.Generator) -> Coverage:
    """Try the compliance rate: does [low, high] of a group of paths hold its true rate?"""
    verdict = np.array([result.verdict for result in results])
    passes = np.array([result.case.true_verdict == "pass" for result in results])
    held, widths = 0, []
    size = min(_GROUP, len(results))
    for _ in range(_GROUPS):
        group = rng.choice(len(results), size, replace=False)
        found, truth = compliance(verdict[group]), float(passes[group].mean())
        held += found.low - 1e-9 <= truth <= found.high + 1e-9
        widths.append(found.high - found.low)
    # Groups share paths, so a wrong verdict is counted several times: a share, not a binomial.
    return Coverage(
        intervals=_GROUPS,
        held=held,
        needed=math.ceil((1 - ERROR_RATE) ** size * _GROUPS),
        width_ratio=float(np.median(widths)),
    )
