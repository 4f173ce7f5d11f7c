"""Cases judged by the controller's judge, and what it said held against what is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from controller.judge.clock_faults import distrust
from controller.judge.evidence import (
    DIRECTIONS,
    FAIL,
    KINDS,
    PASS,
    STATISTICS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
)
from controller.judge.judge import judge
from foundation.text import Text
from lab.progress import tell
from lab.trial.case import ROUNDING, Case, Direction, Kind, Statistic, truth_of
from lab.trial.mesh import CLUSTER
from lab.trial.pair_case import PairCase
from lab.trial.pair_score import answer_pairs
from lab.trial.simulate import evidence_of_cases, probes_of, windows_of
from lab.trial.textbook import Bounds, bounds
from probes.window import WindowBatch

AT_ONCE = 800  # cases: what is simulated together takes about half a megabyte each
MESH_NODES = 2 * CLUSTER

# What is asked of every path beside its own demand, to see whether the intervals hold.
_ASKED: tuple[tuple[str, Kind, Direction, Statistic], ...] = (
    ("quantile_one_way", "delay", "one_way", "p50"),
    ("quantile_one_way", "delay", "one_way", "p95"),
    ("quantile_one_way", "delay", "one_way", "p99"),
    ("quantile_round_trip", "delay", "round_trip", "p50"),
    ("quantile_round_trip", "delay", "round_trip", "p95"),
    ("quantile_round_trip", "delay", "round_trip", "p99"),
    ("mean_one_way", "delay", "one_way", "mean"),
    ("mean_round_trip", "delay", "round_trip", "mean"),
    ("loss_one_way", "loss", "one_way", "p50"),
    ("loss_round_trip", "loss", "round_trip", "p50"),
    ("variation", "variation", "round_trip", "p50"),
    ("variation", "variation", "round_trip", "p95"),
    ("pdv_one_way", "pdv", "one_way", "p50"),
    ("pdv_one_way", "pdv", "one_way", "p95"),
    ("pdv_round_trip", "pdv", "round_trip", "p50"),
    ("pdv_round_trip", "pdv", "round_trip", "p95"),
    ("ratio", "delay_ratio", "one_way", "p50"),
    ("ratio", "delay_ratio", "one_way", "p95"),
    ("ratio", "delay_ratio", "round_trip", "p50"),
    ("ratio", "delay_ratio", "round_trip", "p95"),
)


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
class Interval:
    """One published interval and the truth it should hold."""

    case: Case | PairCase
    kind: str
    low: float
    high: float
    truth: float

    @property
    def holds(self) -> bool:
        """Whether the truth lies within."""
        rounding = 1e-9 * abs(self.truth) if math.isfinite(self.truth) else 0.0
        return self.low - rounding <= self.truth <= self.high + rounding


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that one run of a trial found out."""

    results: list[Result]
    intervals: list[Interval]


def try_cases(cases: Sequence[Case | PairCase], seed: int) -> Trial:
    """Simulate the cases, judge them, and hold every verdict and interval against the truth.

    Ctrl-C ends it early, with the cases that were tried until then.
    """
    pairs = _try_pairs([case for case in cases if isinstance(case, PairCase)], seed)
    paths = [case for case in cases if isinstance(case, Case)]
    if not paths:
        return pairs
    aggregates: list[Trial] = []
    try:
        for a, b in pairwise(_cuts(paths)):
            aggregates.append(_try_paths(paths[a:b], seed, a))
    except KeyboardInterrupt:
        if not aggregates:
            raise
        tell(Text("Ended early; this is what was tried.", "提前结束，以下为已试验的部分。"))
    return Trial(
        [result for aggregate in (*aggregates, pairs) for result in aggregate.results],
        [interval for aggregate in (*aggregates, pairs) for interval in aggregate.intervals],
    )


def _cuts(paths: Sequence[Case]) -> list[int]:
    """Return where to cut the cases so that few are simulated at once, and no mesh is cut."""
    cuts = [0]
    for i in range(1, len(paths)):
        before, here = paths[i - 1].nodes, paths[i].nodes
        torn = before and here and before[0] // MESH_NODES == here[0] // MESH_NODES
        if i - cuts[-1] >= AT_ONCE and not torn:
            cuts.append(i)
    return [*cuts, len(paths)]


def _try_pairs(pairs: Sequence[PairCase], seed: int) -> Trial:
    answers = answer_pairs(pairs, seed)
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


def _try_paths(cases: Sequence[Case], seed: int, first: int) -> Trial:
    probes = probes_of(cases, seed, first)
    batches = windows_of(probes)
    evidence = _without_false_clocks(cases, evidence_of_cases(cases, batches))
    results = _results(cases, judge(evidence, own_rules(cases), looks="once"), evidence)
    watched = [i for i, case in enumerate(cases) if case.looks > 1]
    if watched:
        for i, result in zip(watched, _look_often(cases, batches, watched), strict=True):
            results[i] = result
    scored = [
        _unless_the_textbook_decides(result, bounds(case, own))
        for result, case, own in zip(results, cases, probes, strict=True)
        if case.scored
    ]
    return Trial(scored, _intervals(cases, evidence))


def _unless_the_textbook_decides(result: Result, textbook_bounds: Bounds | None) -> Result:
    """Return the result; needless if it is undecided where a textbook could tell."""
    if result.verdict != UNDECIDED or textbook_bounds is None:
        return result
    clear = textbook_bounds.clear_of(result.case.limit_low, result.case.limit_high)
    return replace(result, needless=result.needless or clear)


def _without_false_clocks(cases: Sequence[Case], evidence: Evidence) -> Evidence:
    """Let the meshes among the cases name clocks that lie, as the controller does."""
    ends = np.array([case.nodes or (-1, -1) for case in cases], np.int64).reshape(-1, 2)
    source, destination = ends.T
    sound, _ = distrust(evidence, source, destination, int(ends.max(initial=-1)) + 1)
    return sound


def own_rules(cases: Sequence[Case]) -> Rules:
    """Return the demand of each case, on the evidence row of its own number."""
    return _rules(
        np.arange(len(cases)),
        [(case.kind, case.direction, case.statistic) for case in cases],
        [(case.told_limit, case.limit_low, case.limit_high) for case in cases],
    )


def _rules(
    row: NDArray[np.int64],
    asked: Sequence[tuple[Kind, Direction, Statistic]],
    limits: Sequence[tuple[float, float, float]],
) -> Rules:
    limit = np.array(limits, np.float64).reshape(-1, 3)
    return Rules(
        row=row.astype(np.int64),
        kind=np.array([KINDS.index(kind) for kind, _, _ in asked], np.int8),
        direction=np.array([DIRECTIONS.index(way) for _, way, _ in asked], np.int8),
        statistic=np.array([STATISTICS.index(name) for _, _, name in asked], np.int8),
        limit=limit[:, 0],
        limit_low=limit[:, 1],
        limit_high=limit[:, 2],
        impossible=np.zeros(len(row), np.bool_),
    )


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
    truth = _truth(case, case.kind, case.direction, case.statistic, evidence, row)
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
    cases: Sequence[Case], batches: Sequence[WindowBatch], watched: Sequence[int]
) -> list[Result]:
    """Judge as a live controller does, again and again; one wrong look makes a case wrong."""
    chosen = [cases[i] for i in watched]
    worst: list[Result] = []
    looks = max(case.looks for case in chosen)
    for seen in np.unique(np.linspace(1, len(batches), looks).astype(int)):
        evidence = evidence_of_cases(cases, batches[:seen], watched)
        now = _results(chosen, judge(evidence, own_rules(chosen), looks="repeated"), evidence)
        worst = [old if old.wrong else new for old, new in zip(worst or now, now, strict=True)]
    return worst


def _truth(
    case: Case, kind: Kind, way: Direction, statistic: Statistic, evidence: Evidence, row: int
) -> float:
    """Return the true figure; of PDV, less the least true delay that occurred (NaN if unknown)."""
    truth = truth_of(case, kind, way, statistic)
    if kind != "pdv":
        return truth
    (first, *others), (error, other_error) = case.clocks, case.timestamp_error_ns
    if way == "round_trip":
        least = float(evidence.least_ns["rtt"][row]) - error - other_error
    elif others or first.skew_ppm:  # the offset moved: the least reading is not that of the least
        return math.nan
    else:
        least = float(evidence.least_ns["forward"][row]) - first.offset_ns - error
    return (
        truth - least if math.isnan(truth) else max(truth - least, 0.0)
    )  # timestamps are told to the nanosecond


def _intervals(cases: Sequence[Case], evidence: Evidence) -> list[Interval]:
    """Judge every path by every statistic whose truth is known, and return the intervals."""
    wanted = [
        (i, name, (kind, way, statistic), truth)
        for i, case in enumerate(cases)
        for name, kind, way, statistic in _ASKED
        if (name == "ratio") == (case.kind == "delay_ratio")
        and not math.isnan(truth := _truth(case, kind, way, statistic, evidence, i))
    ]
    limits = [(truth if math.isfinite(truth) else 1e9,) * 3 for _, _, _, truth in wanted]
    row = np.array([i for i, _, _, _ in wanted], np.int64)
    said = judge(evidence, _rules(row, [ask for _, _, ask, _ in wanted], limits), looks="once")
    found = []
    for n, (i, name, _, truth) in enumerate(wanted):
        case, low, high = cases[i], float(said.low[n]), float(said.high[n])
        if name == "ratio":  # over the theoretical delay, which is known no better than the road
            low, high = low / case.limit_high, high / case.limit_low
            truth /= case.limit
        found.append(Interval(case, name, low, high, truth))
    return found
