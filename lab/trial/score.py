"""Cases judged by the controller's judge, and what it said held against what is true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from controller.judge.clock_faults import distrust
from controller.judge.comparing import Compared, compare
from controller.judge.evidence import FAIL, PASS, UNDECIDED, Evidence, Judgements
from controller.judge.judge import judge
from foundation.text import Text
from lab.progress import tell
from lab.trial.case import ROUNDING, Case
from lab.trial.intervals import Interval, intervals_of, own_rules, true_figure
from lab.trial.mesh import CLUSTER
from lab.trial.pair_case import PairCase
from lab.trial.pair_score import answer_pairs
from lab.trial.simulate import evidence_of_cases, probes_of, windows_of
from lab.trial.textbook import Bounds, bounds
from probes.window import WindowBatch

AT_ONCE = 800  # cases: what is simulated together takes about half a megabyte each
MESH_NODES = 2 * CLUSTER


@dataclass(frozen=True, slots=True)
class Result:
    """What the judge said of one case; of one looked at often, the first wrong look or the last."""

    case: Case | PairCase
    verdict: int
    low: float
    high: float
    needless: bool
    wrong_pass: bool
    wrong_fail: bool

    @property
    def wrong(self) -> bool:
        """Whether the verdict contradicts the truth."""
        return self.wrong_pass or self.wrong_fail


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that one run of a trial found out."""

    results: list[Result]
    intervals: list[Interval]


@dataclass(frozen=True, slots=True)
class Tried:
    """What is on trial: the controller's judge and its parts, or such as are to be found out."""

    judge: Callable[..., Judgements] = judge
    compare: Callable[..., Compared] = compare
    distrust: Callable[..., tuple[Evidence, object]] = distrust


PRODUCT = Tried()


def try_cases(
    cases: Sequence[Case | PairCase], seed: int, tried: Tried = PRODUCT, at_once: int = AT_ONCE
) -> Trial:
    """Simulate the cases, judge them, and hold every verdict and interval against the truth.

    What comes out does not depend on how many are simulated `at_once`. Ctrl-C ends it early, with
    the cases that were tried until then.
    """
    both = [case for case in cases if isinstance(case, PairCase)]
    pairs = _try_pairs(both, seed, tried, max(1, at_once // 2))
    paths = [case for case in cases if isinstance(case, Case)]
    if not paths:
        return pairs
    aggregates: list[Trial] = []
    try:
        for a, b in pairwise(_cuts(paths, at_once)):
            aggregates.append(_try_paths(paths[a:b], seed, a, tried))
    except KeyboardInterrupt:
        if not aggregates:
            raise
        tell(Text("Ended early; this is what was tried.", "提前结束，以下为已试验的部分。"))
    return Trial(
        [result for aggregate in (*aggregates, pairs) for result in aggregate.results],
        [interval for aggregate in (*aggregates, pairs) for interval in aggregate.intervals],
    )


def _cuts(paths: Sequence[Case], at_once: int) -> list[int]:
    """Return where to cut the cases so that few are simulated at once, and no mesh is cut."""
    cuts = [0]
    for i in range(1, len(paths)):
        before, here = paths[i - 1].nodes, paths[i].nodes
        torn = before and here and before[0] // MESH_NODES == here[0] // MESH_NODES
        if i - cuts[-1] >= at_once and not torn:
            cuts.append(i)
    return [*cuts, len(paths)]


def _try_pairs(pairs: Sequence[PairCase], seed: int, tried: Tried, at_once: int) -> Trial:
    answers = answer_pairs(pairs, seed, tried.compare, at_once)
    results = [
        _unless_the_textbook_decides(
            _result(pair, answer.verdict, answer.low, answer.high), answer.textbook_bounds
        )
        for pair, answer in zip(pairs, answers, strict=True)
        if pair.scored
    ]
    intervals = [
        Interval(pair, *interval)
        for pair, answer in zip(pairs, answers, strict=True)
        for interval in answer.intervals
    ]
    return Trial(results, intervals)


def _try_paths(cases: Sequence[Case], seed: int, first: int, tried: Tried) -> Trial:
    probes = probes_of(cases, seed, first)
    batches = windows_of(probes)
    evidence = _without_false_clocks(cases, evidence_of_cases(cases, batches), tried)
    results = _results(cases, tried.judge(evidence, own_rules(cases), looks="once"), evidence)
    watched = [i for i, case in enumerate(cases) if case.looks > 1]
    if watched:
        for i, result in zip(watched, _look_often(cases, batches, watched, tried), strict=True):
            results[i] = result
    scored = [
        _unless_the_textbook_decides(result, bounds(case, own))
        for result, case, own in zip(results, cases, probes, strict=True)
        if case.scored
    ]
    return Trial(scored, intervals_of(cases, evidence, tried.judge))


def _unless_the_textbook_decides(result: Result, textbook_bounds: Bounds | None) -> Result:
    """Return the result; needless if it is undecided where a textbook could tell."""
    if result.verdict != UNDECIDED or textbook_bounds is None:
        return result
    clear = textbook_bounds.clear_of(result.case.limit_low, result.case.limit_high)
    return replace(result, needless=result.needless or clear)


def _without_false_clocks(cases: Sequence[Case], evidence: Evidence, tried: Tried) -> Evidence:
    """Let the meshes among the cases name clocks that lie, as the controller does."""
    ends = np.array([case.nodes or (-1, -1) for case in cases], np.int64).reshape(-1, 2)
    source, destination = ends.T
    sound, _ = tried.distrust(evidence, source, destination, int(ends.max(initial=-1)) + 1)
    return sound


def _results(cases: Sequence[Case], said: Judgements, evidence: Evidence) -> list[Result]:
    return [
        _result(
            case,
            int(said.verdict[i]),
            float(said.low[i]),
            float(said.high[i]),
            _true_verdict(case, evidence, i),
        )
        for i, case in enumerate(cases)
    ]


def _true_verdict(case: Case, evidence: Evidence, row: int) -> str:
    """Return what is true of the case; of PDV, given the least delay that occurred."""
    if case.kind != "pdv":
        return case.true_verdict
    truth = true_figure(case, case.kind, case.direction, case.statistic, evidence, row)
    return "pass" if truth <= case.limit * (1 + ROUNDING) else "fail"


def _result(
    case: Case | PairCase, verdict: int, low: float, high: float, right: str | None = None
) -> Result:
    """Return what was said beside what is `right`, by default what the case's laws make it."""
    right = right or case.true_verdict
    crosses = high > case.limit_low and low <= case.limit_high
    return Result(
        case=case,
        verdict=verdict,
        low=low,
        high=high,
        needless=verdict == UNDECIDED and not crosses,
        wrong_pass=verdict == PASS and right != "pass",
        wrong_fail=verdict == FAIL and right != "fail",
    )


def _look_often(
    cases: Sequence[Case],
    batches: Sequence[WindowBatch],
    watched: Sequence[int],
    tried: Tried,
) -> list[Result]:
    """Judge as a live controller does, again and again; one wrong look makes a case wrong."""
    chosen = [cases[i] for i in watched]
    worst: list[Result] = []
    looks = max(case.looks for case in chosen)
    for seen in np.unique(np.linspace(1, len(batches), looks).astype(int)):
        evidence = evidence_of_cases(cases, batches[:seen], watched)
        now = _results(chosen, tried.judge(evidence, own_rules(chosen), looks="repeated"), evidence)
        worst = [old if old.wrong else new for old, new in zip(worst or now, now, strict=True)]
    return worst
