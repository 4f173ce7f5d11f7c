"""The judge: evidence and rules in, judgements out (DESIGN §4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from controller.judge import needs, terms
from controller.judge.evidence import (
    DIRECTIONS,
    FAIL,
    IMPOSSIBLE,
    KINDS,
    NO_DATA,
    PASS,
    QUANTILE_OF_STATISTIC,
    TERMS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
)
from controller.judge.loss import evidence_reaches, greatest_ratio, least_ratio, scale_position
from controller.judge.one_way import intersect, single_probe_faults
from controller.judge.pdv import judge_pdv
from controller.judge.reading import Readable, Reading, read, readable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Looks = Literal["repeated", "once"]

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
    answer = _blank(rules)
    sent = evidence.sent
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
    received[has_row] = evidence.received[rules.row[has_row]] > 0
    judge_pdv(evidence, known, rules, np.flatnonzero(received & (rules.kind == PDV)), alpha, answer)
    loss = np.flatnonzero(measured & (rules.kind == LOSS))
    _judge_loss(evidence, known, rules, loss, alpha, answer, looks)
    answer.verdict[rules.impossible] = IMPOSSIBLE
    answer.term[rules.impossible] = TERMS.index("floor")
    return answer


def _blank(rules: Rules) -> Judgements:
    n = rules.rows

    def unknown() -> Floats:
        return np.full(n, np.nan)

    return Judgements(
        verdict=np.full(n, NO_DATA, np.int8),
        term=np.full(n, TERMS.index("none"), np.int8),
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


def decide(low: Floats, high: Floats, limit_low: Floats, limit_high: Floats) -> NDArray[np.int8]:
    """Return pass where the whole interval is within, fail where it is wholly outside, [n]."""
    verdict = np.where(high <= limit_low, PASS, np.where(low > limit_high, FAIL, UNDECIDED))
    return verdict.astype(np.int8)


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
    reading = read(known.rtt, case.row, case.statistic, alpha)
    e = case.calibration_ns
    # Never quicker than light there and back, whatever the stamps say.
    low = np.fmax(reading.low_ns - e, 2 * evidence.floor_ns[case.row])
    _record(case, answer, low, reading.high_ns + e, reading.point_ns)
    forward = read(known.forward, case.row, case.statistic, alpha).point_ns
    trusted = ~np.isnan(evidence.clock_bound_ns[case.row])
    trusted &= single_probe_faults(evidence)[case.row] == 0
    answer.other_reading[at] = np.where(trusted, forward, np.nan)
    _name_terms(case, answer, reading, np.zeros(len(at)))
    needs.of_delay(evidence.rtt, evidence.lost, rules, answer, at, reading, alpha, shift_ns=None)


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
    reading = read(known.variation, case.row, case.statistic, alpha)
    e = 2 * case.calibration_ns  # a difference of two delays carries the error twice
    low = np.fmax(reading.low_ns - e, 0.0)
    _record(case, answer, low, reading.high_ns + e, reading.point_ns)
    _name_terms(case, answer, reading, np.zeros(len(at)))
    none = np.zeros(evidence.rows, np.int64)
    needs.of_delay(evidence.variation, none, rules, answer, at, reading, alpha, shift_ns=None)


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
    stamped = evidence.forward.totals()[case.row] > 0
    trusted = ~np.isnan(bound) & stamped
    wide = np.where(trusted, bound, 0.0) + e
    result = intersect(
        np.where(np.isposinf(forward.low_ns), -np.inf, forward.low_ns - wide),
        forward.high_ns + wide,
        evidence.floor_ns[case.row],
        rtt.high_ns + e,
        trusted,
        np.where(trusted, single_probe_faults(evidence)[case.row], 0).astype(np.int8),
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
    _name_terms(case, answer, forward, np.where(trusted, bound, 0.0))
    terms.name_one_way(answer, at, case.limit, result, rtt, case.statistic, evidence, case.row)
    needs.of_clock(answer, at, case.limit, result.trusted, forward, rtt, e)
    needs.of_delay(
        evidence.forward,
        evidence.lost_forward,
        rules,
        answer,
        at,
        forward,
        alpha,
        shift_ns=result.trusted,
    )


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
    exact = np.where(level == 0, evidence.rtt_min_ns[case.row], low)
    proof: NDArray[np.bool_] = np.where(np.isfinite(exact), exact, 0.0) > (
        2 * (case.limit_high + case.calibration_ns)
    )
    return proof


def _name_terms(case: _Case, answer: Judgements, reading: Reading, bound_ns: Floats) -> None:
    named = terms.of_delay(
        answer.verdict[case.at],
        reading,
        bound_ns,
        case.calibration_ns,
        (case.limit, case.limit_low, case.limit_high),
    )
    answer.term[case.at] = named


def _judge_loss(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: Integers,
    alpha: float,
    answer: Judgements,
    looks: Looks,
) -> None:
    if not len(at):
        return
    row, limit = rules.row[at], rules.limit[at]
    thinning = known.loss_thinning[row]
    sent = evidence.sent[row] / thinning
    one_way = rules.direction[at] == ONE_WAY
    total = evidence.lost[row]
    down = evidence.received[row] == 0
    surely = np.where(one_way & ~down, evidence.lost_forward[row], total)
    possibly = np.where(one_way & ~down, total - evidence.lost_backward[row], total)
    low = least_ratio(surely / thinning, sent, alpha)
    high = greatest_ratio(possibly / thinning, sent, alpha)
    verdict = decide(low, high, rules.limit_low[at], rules.limit_high[at])
    if looks == "repeated":
        for side, lost in ((PASS, possibly), (FAIL, surely)):
            chosen = np.flatnonzero(verdict == side)
            held = evidence_reaches(
                lost[chosen] / thinning[chosen],
                sent[chosen],
                limit[chosen],
                below=side == PASS,
                needed=float(np.log(2 / alpha)),
            )
            hasty = chosen[~held]
            verdict[hasty] = UNDECIDED
            # The limit cannot be ruled out yet, so the interval published reaches to it.
            if side == PASS:
                high[hasty] = np.nextafter(rules.limit_low[at][hasty], np.inf)
            else:
                low[hasty] = limit[hasty]
    ratio = np.where(surely == possibly, surely, np.nan) / evidence.sent[row]
    answer.verdict[at], answer.low[at], answer.high[at] = verdict, low, high
    answer.measured[at] = ratio
    answer.position[at] = scale_position(ratio)
    whole = total / evidence.sent[row]
    answer.other_reading[at] = np.where(one_way, whole, np.nan)
    split = (surely != possibly) & (verdict == UNDECIDED)
    answer.term[at] = np.where(
        verdict != UNDECIDED,
        TERMS.index("value"),
        np.where(split, TERMS.index("asymmetry"), TERMS.index("samples")),
    )
    more = needs.samples_for_ratio(ratio, limit, alpha) * thinning - evidence.sent[row]
    waiting = (verdict == UNDECIDED) & ~split
    answer.needed_samples[at] = np.where(waiting, np.fmax(np.ceil(more), 1.0), np.nan)
