"""Every statistic of a path asked of the judge: do the intervals that it gives hold the truth?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import DIRECTIONS, KINDS, STATISTICS, Evidence, Judgements, Rules
from lab.trial.case import Case, Direction, Kind, Statistic, truth_of
from lab.trial.pair_case import PairCase

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


def own_rules(cases: Sequence[Case]) -> Rules:
    """Return the demand of each case, on the evidence row of its own number."""
    return rules_of(
        np.arange(len(cases)),
        [(case.kind, case.direction, case.statistic) for case in cases],
        [(case.told_limit, case.limit_low, case.limit_high) for case in cases],
    )


def rules_of(
    row: NDArray[np.int64],
    asked: Sequence[tuple[Kind, Direction, Statistic]],
    limits: Sequence[tuple[float, float, float]],
) -> Rules:
    """Return demands, each on a row of the evidence; limits: (told, lowest, highest)."""
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


def true_figure(
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


def intervals_of(
    cases: Sequence[Case], evidence: Evidence, judge: Callable[..., Judgements]
) -> list[Interval]:
    """Judge every path by every statistic whose truth is known, and return the intervals."""
    wanted = [
        (i, name, (kind, way, statistic), truth)
        for i, case in enumerate(cases)
        for name, kind, way, statistic in _ASKED
        if (name == "ratio") == (case.kind == "delay_ratio")
        and not math.isnan(truth := true_figure(case, kind, way, statistic, evidence, i))
    ]
    limits = [(truth if math.isfinite(truth) else 1e9,) * 3 for _, _, _, truth in wanted]
    row = np.array([i for i, _, _, _ in wanted], np.int64)
    said = judge(evidence, rules_of(row, [ask for _, _, ask, _ in wanted], limits), looks="once")
    found = []
    for n, (i, name, _, truth) in enumerate(wanted):
        case, low, high = cases[i], float(said.low[n]), float(said.high[n])
        if name == "ratio":  # over the theoretical delay, which is known no better than the road
            low, high = low / case.limit_high, high / case.limit_low
            truth /= case.limit
        found.append(Interval(case, name, low, high, truth))
    return found
