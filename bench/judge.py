"""How long the judge takes for a round: paths × targets judged in one call, on one core.

Evidence is made once of random histograms and windows; only `judge` is timed.
"""

from __future__ import annotations

import os
import time

import numpy as np

from bench.report import Goal, Report, in_turns, script, spread
from controller.judge.evidence import DIRECTIONS, KINDS, STATISTICS, Evidence, Rules
from controller.judge.judge import judge
from probes.histogram import EDGES_NS, Histograms

BUCKETS = 12  # filled buckets of an ordinary path's histogram
PROBES = 30  # a window
PATHS = 100_000
WINDOWS = (6, 30)  # a minute's and five minutes' worth, of which the judged period is made
GOAL_S = 1.0


def evidence_of(paths: int, windows: int, rng: np.random.Generator) -> Evidence:
    base = rng.integers(60, 500, paths)
    bucket = (base[:, None] + np.arange(BUCKETS)).astype(np.int16)
    sent = np.full(paths * windows, PROBES)
    lost = rng.binomial(PROBES, np.repeat(rng.choice([0, 0.001, 0.01, 0.05], paths), windows))
    lost_all = lost.reshape(paths, windows).sum(1)
    received = windows * PROBES - lost_all
    count = np.full((paths, BUCKETS), 1)
    count[:, 3] += received - BUCKETS

    def histograms(shift: int = 0) -> Histograms:
        indptr = np.arange(paths + 1) * BUCKETS
        return Histograms(indptr, (bucket - shift).ravel(), count.ravel().astype(np.int64))

    low, middle = EDGES_NS[base - 1] * 1.001, EDGES_NS[base + 3] * 0.999
    high = EDGES_NS[base + BUCKETS - 1] * 0.999
    jitter = rng.normal(1, 0.003, paths * windows)
    zero = np.zeros(paths, np.int64)
    return Evidence(
        counters={"received": received, "lost_forward": lost_all, "lost_backward": zero},
        values={},
        distributions={
            "rtt": histograms(),
            "forward": histograms(35),
            "backward": histograms(35),
            "variation": histograms(50),
        },
        least_ns={"rtt": low, "forward": low / 2, "backward": low / 2},
        mean_ns={"rtt": middle, "forward": middle / 2, "backward": middle / 2},
        most_ns={"rtt": high, "forward": high / 2, "backward": high / 2},
        sent=np.full(paths, windows * PROBES),
        lost=lost_all,
        window_indptr=np.arange(paths + 1) * windows,
        window_sent=sent,
        window_lost=lost,
        window_rtt_mean_ns=np.repeat(middle, windows) * jitter,
        window_forward_mean_ns=np.repeat(middle / 2, windows) * jitter,
        clock_bound_ns=np.where(rng.random(paths) < 0.5, 100_000.0, np.nan),
        clock_doubt=np.zeros(paths, np.int8),
        calibration_ns=np.full(paths, 1_000.0),
        floor_ns=low / 3,
    )


def rules_of(paths: int, rng: np.random.Generator) -> Rules:
    """One delay limit one way, one on the round trip's mean, one on loss, of every path."""
    kind = np.array([KINDS.index("delay"), KINDS.index("delay"), KINDS.index("loss")], np.int8)
    way = [DIRECTIONS.index(name) for name in ("one_way", "round_trip", "round_trip")]
    statistic = [STATISTICS.index(name) for name in ("p95", "mean", "p95")]
    delay = rng.choice([1e6, 3e6, 5e6], paths)
    limit = np.stack([delay, np.full(paths, 205.79e6), np.full(paths, 0.01)], 1).ravel()
    return Rules(
        row=np.repeat(np.arange(paths), 3),
        kind=np.tile(kind, paths),
        direction=np.tile(np.array(way, np.int8), paths),
        statistic=np.tile(np.array(statistic, np.int8), paths),
        limit=limit,
        limit_low=limit,
        limit_high=limit,
        impossible=np.zeros(3 * paths, np.bool_),
    )


def measure(quick: bool) -> Report:
    """Judge the same evidence again and again, periods of different lengths in turns."""
    paths = PATHS // 10 if quick else PATHS
    rng = np.random.default_rng(1)
    rules = rules_of(paths, rng)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # one core
    try:
        evidence = {windows: evidence_of(paths, windows, rng) for windows in WINDOWS}
        took_s = in_turns(
            3 if quick else 11,
            {windows: lambda n=windows: _cpu_s(evidence[n], rules) for windows in WINDOWS},
        )
    finally:
        os.sched_setaffinity(0, before)
    middle_s = float(np.median(took_s[WINDOWS[-1]]))
    demand = f"{PATHS:,} paths × 3 targets in under {GOAL_S:g} s on one core"
    reached = f"{middle_s:.2f} s for {paths:,} paths"
    return Report(
        name="judge",
        title=f"One round of judging {paths:,} paths × 3 targets on one core",
        columns=("windows of each path", "CPU ms", "verdicts a CPU second"),
        rows=[
            (
                str(windows),
                spread([value * 1e3 for value in values]),
                f"{rules.rows / float(np.median(values)):,.0f}",
            )
            for windows, values in took_s.items()
        ],
        goals=[Goal(demand, middle_s * PATHS / paths < GOAL_S, reached)],
    )


def _cpu_s(evidence: Evidence, rules: Rules) -> float:
    began_s = time.process_time()
    judge(evidence, rules)
    return time.process_time() - began_s


if __name__ == "__main__":
    script(measure)
