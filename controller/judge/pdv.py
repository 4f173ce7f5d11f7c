"""Delay variation above the least delay: the 2-point PDV of ITU-T Y.1540 §6.2.4.

v_k = d_k - d_min, d_min the least delay of the judged period; a quantile of v is the quantile of d
less d_min, which is known exactly. Only what came back has a variation; loss is judged as loss. A
constant clock error cancels out of it, but one that drifts does not: with trusted clocks twice
their bound is allowed for, and without, one way, only physics remains:
    d_k - d_min ≤ d_k - L = RTT_k - d_back - L ≤ RTT_k - 2 L      (L: light in fibre, one way)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from controller.judge import undecided
from controller.judge.estimates import Distribution, Readable, read
from controller.judge.evidence import (
    DIRECTIONS,
    LIMITING_FACTORS,
    UNDECIDED,
    Evidence,
    Judgements,
    Rules,
    decide,
)
from controller.judge.one_way import single_probe_faults

ONE_WAY = DIRECTIONS.index("one_way")
VALUE, CLOCK, SAMPLES = (LIMITING_FACTORS.index(name) for name in ("value", "clock", "samples"))


def judge_pdv(
    evidence: Evidence,
    known: Readable,
    rules: Rules,
    at: NDArray[np.int64],
    alpha: float,
    answer: Judgements,
) -> None:
    """Judge the rules `at` on the quantile of the delay less its minimum, in their direction."""
    if not len(at):
        return
    row, statistic = rules.row[at], rules.statistic[at]
    one_way = rules.direction[at] == ONE_WAY
    e = 2 * evidence.calibration_ns[row]  # a difference of two delays carries the error twice
    rtt = read(_received(known.rtt), row, statistic, alpha)
    forward = read(_received(known.forward), row, statistic, alpha)
    bound = evidence.clock_bound_ns[row]
    trusted = ~np.isnan(bound) & (evidence.distributions["forward"].totals()[row] > 0)
    fault = np.where(trusted, single_probe_faults(evidence)[row], evidence.clock_doubt[row])
    trusted &= fault == 0
    wide = np.where(one_way, e + 2 * np.where(trusted, bound, 0.0), e)
    least = np.where(one_way, evidence.least_ns["forward"][row], evidence.least_ns["rtt"][row])
    readable = ~one_way | trusted
    base = (
        np.where(one_way, forward.low_ns, rtt.low_ns),
        np.where(one_way, forward.high_ns, rtt.high_ns),
    )
    low = np.where(readable, np.fmax(base[0] - least - wide, 0.0), 0.0)
    physical = np.where(one_way, rtt.high_ns - 2 * evidence.floor_ns[row] + e, np.inf)
    high = np.fmin(np.where(readable, base[1] - least + wide, np.inf), physical)
    point = np.where(one_way, forward.point_ns, rtt.point_ns) - least
    limit_low, limit_high = rules.limit_low[at], rules.limit_high[at]
    verdict = decide(low, high, limit_low, limit_high)
    answer.verdict[at], answer.low[at], answer.high[at] = verdict, low, high
    answer.measured[at] = np.where(readable, point, np.nan)
    answer.clock_fault[at] = np.where(one_way, fault, 0)
    sampled = (base[1] - least > limit_low) & (base[0] - least <= limit_high)
    open_factor = np.where(readable & sampled, SAMPLES, CLOCK)
    answer.limiting_factor[at] = np.where(verdict == UNDECIDED, open_factor, VALUE)
    for distribution, reading, mine in (
        (known.rtt, rtt, np.flatnonzero(~one_way)),
        (known.forward, forward, np.flatnonzero(one_way & trusted)),
    ):
        undecided.need_samples(
            _received(distribution),
            rules,
            answer,
            at[mine],
            reading.take(mine),
            alpha,
            wide[mine],
            least[mine],
        )


def _received(distribution: Distribution) -> Distribution:
    """Return the distribution of what came back alone."""
    none = np.zeros(len(distribution.infinite), np.int64)
    return replace(distribution, infinite=none, missing=none)
