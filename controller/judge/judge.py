"""The judge: evidence and rules in, judgements out (docs/concepts/verdicts.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge.estimates import Distribution, Readable, Reading, read, readable
from controller.judge.evidence import (
    DIRECTIONS,
    FAIL,
    IMPOSSIBLE,
    KINDS,
    LIMITING_FACTORS,
    NO_DATA,
    PASS,
    QUANTILE_OF_STATISTIC,
    Evidence,
    Judgements,
    Rules,
    decide,
)
from controller.judge.loss_verdicts import Looks, judge_loss
from controller.judge.one_way import (
    intersect,
    is_faster_than_light,
    single_probe_faults,
    without_false_floors,
)
from controller.judge.pdv import judge_pdv
from controller.judge.undecided import (
    limiting_factor,
    name_one_way_factor,
    need_clock_bound,
    need_samples,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LOSS, VARIATION, PDV = (KINDS.index(name) for name in ("loss", "variation", "pdv"))
DELAYS = (KINDS.index("delay"), KINDS.index("delay_ratio"))
ONE_WAY = DIRECTIONS.index("one_way")


def judge(
    evidence: Evidence, rules: Rules, confidence: float = 0.95, *, looks: Looks = "repeated"
) -> Judgements:
    """Judge every rule on its row of evidence.

    `confidence` is that of each two-sided interval. With `looks` "repeated" (live verdicts, looked
    at as data come in) a loss is decided only if the anytime-valid test agrees with the interval;
    "once" is for a period that is over. How fast: bench/judge.py.
    """
    alpha = 1 - confidence
    answer = blank(rules.rows)
    sent, misplaced = evidence.sent, is_faster_than_light(evidence)
    evidence = without_false_floors(evidence)
    has_row = (rules.row >= 0) & ~np.isnan(rules.limit)
    measured = np.zeros(rules.rows, np.bool_)
    measured[has_row] = sent[rules.row[has_row]] > 0
    answer.sent[measured] = sent[rules.row[measured]]
    answer.lost[measured] = evidence.lost[rules.row[measured]]
    known = readable(evidence)
    is_delay = measured & np.isin(rules.kind, DELAYS)
    one_way = is_delay & (rules.direction == ONE_WAY)
    _judge_round_trip(evidence, known, rules, np.flatnonzero(is_delay & ~one_way), alpha, answer)
    _judge_one_way(evidence, known, rules, np.flatnonzero(one_way), alpha, answer)
    varies = np.flatnonzero(measured & (rules.kind == VARIATION))
    _judge_variation(evidence, known, rules, varies, alpha, answer)
    received = np.zeros(rules.rows, np.bool_)
    received[has_row] = evidence.counters["received"][rules.row[has_row]] > 0
    judge_pdv(evidence, known, rules, np.flatnonzero(received & (rules.kind == PDV)), alpha, answer)
    loss = np.flatnonzero(measured & (rules.kind == LOSS))
    judge_loss(evidence, known, rules, loss, alpha, answer, looks)
    # What was measured is stronger than where a site is said to lie.
    impossible = rules.impossible & ~np.append(misplaced, False)[rules.row]
    answer.verdict[impossible] = IMPOSSIBLE
    answer.limiting_factor[impossible] = LIMITING_FACTORS.index("floor")
    return answer


def blank(n: int) -> Judgements:
    """Return n judgements of which nothing is known."""

    def unknown() -> Floats:
        return np.full(n, np.nan)

    return Judgements(
        verdict=np.full(n, NO_DATA, np.int8),
        limiting_factor=np.full(n, LIMITING_FACTORS.index("none"), np.int8),
        measured=unknown(),
        low=unknown(),
        high=unknown(),
        other_reading=unknown(),
        sent=np.zeros(n, np.int64),
        lost=np.zeros(n, np.int64),
        position=unknown(),
        needed_samples=unknown(),
        needed_clock_bound_ns=unknown(),
        pair_fails=np.zeros(n, np.bool_),
        clock_fault=np.zeros(n, np.int8),
        from_round_trip=np.zeros(n, np.bool_),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """Some rules (`at`) with what they need of the evidence, [m]."""

    at: Integers
    row: Integers
    statistic: NDArray[np.int8]
    calibration_ns: Floats
    limit: Floats
    limit_low: Floats
    limit_high: Floats

    @staticmethod
    def of(evidence: Evidence, rules: Rules, at: Integers) -> _Case:
        row = rules.row[at]
        return _Case(
            at=at,
            row=row,
            statistic=rules.statistic[at],
            calibration_ns=evidence.calibration_ns[row],
            limit=rules.limit[at],
            limit_low=rules.limit_low[at],
            limit_high=rules.limit_high[at],
        )

    def decide(self, low: Floats, high: Floats) -> NDArray[np.int8]:
        return decide(low, high, self.limit_low, self.limit_high)


def _record(case: _Case, answer: Judgements, low: Floats, high: Floats, point: Floats) -> None:
    answer.verdict[case.at] = case.decide(low, high)
    answer.low[case.at], answer.high[case.at] = low, high
    answer.measured[case.at] = point


def _judge_round_trip(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: Integers,
    alpha: float,
    answer: Judgements,
) -> None:
    if not len(at):
        return
    case = _Case.of(evidence, rules, at)
    # Never quicker than light there and back, whatever the timestamps say.
    least_ns = 2 * evidence.floor_ns[case.row]
    _judge_without_clocks(known.rtt, rules, case, alpha, answer, case.calibration_ns, least_ns)
    forward = read(known.forward, case.row, case.statistic, alpha).point_ns
    trusted = ~np.isnan(evidence.clock_bound_ns[case.row])
    trusted &= single_probe_faults(evidence)[case.row] == 0
    answer.other_reading[at] = np.where(trusted, forward, np.nan)


def _judge_variation(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: Integers,
    alpha: float,
    answer: Judgements,
) -> None:
    if not len(at):
        return
    case = _Case.of(evidence, rules, at)
    e = 2 * case.calibration_ns  # a difference of two delays carries the error twice
    _judge_without_clocks(known.variation, rules, case, alpha, answer, e, np.zeros(len(at)))


def _judge_without_clocks(
    distribution: Distribution,
    rules: Rules,
    case: _Case,
    alpha: float,
    answer: Judgements,
    e: Floats,
    least_ns: Floats,
) -> None:
    """Judge what one clock alone measured, up to an error `e` and never below `least_ns`."""
    reading = read(distribution, case.row, case.statistic, alpha)
    low = np.fmax(reading.low_ns - e, least_ns)
    _record(case, answer, low, reading.high_ns + e, reading.point_ns)
    _name_limiting_factors(case, answer, reading, np.zeros(len(case.at)))
    need_samples(distribution, rules, answer, case.at, reading, alpha, e)


def _judge_one_way(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: Integers,
    alpha: float,
    answer: Judgements,
) -> None:
    if not len(at):
        return
    case = _Case.of(evidence, rules, at)
    rtt = read(known.rtt, case.row, case.statistic, alpha)
    forward = read(known.forward, case.row, case.statistic, alpha)
    e, bound = case.calibration_ns, evidence.clock_bound_ns[case.row]
    timestamped = evidence.distributions["forward"].totals()[case.row] > 0
    trusted = ~np.isnan(bound) & timestamped
    wide = np.where(trusted, bound, 0.0) + e
    result = intersect(
        np.where(np.isposinf(forward.low_ns), -np.inf, forward.low_ns - wide),
        forward.high_ns + wide,
        evidence.floor_ns[case.row],
        rtt.high_ns + e,
        trusted,
        np.where(
            trusted, single_probe_faults(evidence)[case.row], evidence.clock_doubt[case.row]
        ).astype(np.int8),
    )
    # Losses on the way there are infinite delays whatever the clocks say.
    low = np.where(np.isposinf(forward.low_ns), np.inf, result.low_ns)
    high = np.fmax(result.high_ns, low)
    lost = np.isposinf(low)
    point = np.where(result.trusted, forward.point_ns, np.where(lost, np.inf, np.nan))
    _record(case, answer, low, high, point)
    answer.other_reading[at] = rtt.point_ns
    answer.clock_fault[at] = result.fault
    decided = np.isin(answer.verdict[at], (PASS, FAIL))
    by_clocks = case.decide(forward.low_ns - wide, forward.high_ns + wide)
    clocks_agree = result.trusted & (by_clocks == answer.verdict[at])
    answer.from_round_trip[at] = decided & ~lost & ~clocks_agree
    answer.pair_fails[at] = _pair_fails(evidence, known, case, alpha)
    _name_limiting_factors(case, answer, forward, np.where(trusted, bound, 0.0))
    name_one_way_factor(answer, at, case.limit, result, rtt, case.statistic, evidence, case.row)
    need_clock_bound(answer, at, case.limit, result.trusted, forward, rtt, e)
    open_ = np.flatnonzero(result.trusted)
    need_samples(known.forward, rules, answer, at[open_], forward.take(open_), alpha, wide[open_])
    blind = np.flatnonzero(~result.trusted)
    floor_ns = evidence.floor_ns[case.row[blind]]
    need_samples(known.rtt, rules, answer, at[blind], rtt.take(blind), alpha, e[blind], floor_ns)


def _pair_fails(
    evidence: Evidence, known: Readable, case: _Case, alpha: float
) -> NDArray[np.bool_]:
    """Return whether the round trip proves that at least one direction exceeds the limit.

    P(RTT > 2τ) ≤ P(d_forward > τ) + P(d_backward > τ): if more than 2(1-p) of the round trips
    exceed 2τ, one direction exceeds τ in more than 1-p; so the RTT is read at level 2p - 1.
    """
    level = np.maximum(2 * QUANTILE_OF_STATISTIC[case.statistic] - 1, 0.0)
    level = np.where(np.isnan(level), 0.0, level)
    ranks, _ = known.rtt.ranks(case.row, np.clip(level, 1e-9, 1.0), alpha)
    low = known.rtt.reader.lower_ns(case.row, np.where(level == 0, 1, ranks))
    # At level 0, and for a mean, every single round trip must exceed it: the quickest one.
    exact = np.where(level == 0, evidence.least_ns["rtt"][case.row], low)
    proof: NDArray[np.bool_] = np.where(np.isfinite(exact), exact, 0.0) > (
        2 * (case.limit_high + case.calibration_ns)
    )
    return proof


def _name_limiting_factors(
    case: _Case, answer: Judgements, reading: Reading, bound_ns: Floats
) -> None:
    named = limiting_factor(
        answer.verdict[case.at],
        reading,
        bound_ns,
        case.calibration_ns,
        (case.limit, case.limit_low, case.limit_high),
    )
    answer.limiting_factor[case.at] = named
