"""How fast the judge is: paths × targets judged in one call, on one core.

Evidence is made once of random histograms and windows; only `judge` is timed. Run:
`python bench/judge.py [--paths N] [--windows N] [--runs N]`.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from controller.judge.evidence import DIRECTIONS, KINDS, STATISTICS, Evidence, Rules
from controller.judge.verdicts import judge
from probes.histogram import EDGES_NS, Histograms

BUCKETS = 12  # filled buckets of an ordinary path's histogram
PROBES = 30  # a window
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
        rtt=histograms(),
        forward=histograms(35),
        backward=histograms(35),
        variation=histograms(50),
        rtt_min_ns=low,
        rtt_mean_ns=middle,
        rtt_max_ns=high,
        forward_min_ns=low / 2,
        forward_mean_ns=middle / 2,
        forward_max_ns=high / 2,
        backward_min_ns=low / 2,
        backward_mean_ns=middle / 2,
        backward_max_ns=high / 2,
        sent=np.full(paths, windows * PROBES),
        received=received,
        lost=lost_all,
        lost_forward=lost_all,
        lost_backward=zero,
        window_indptr=np.arange(paths + 1) * windows,
        window_sent=sent,
        window_lost=lost,
        window_rtt_mean_ns=np.repeat(middle, windows) * jitter,
        window_forward_mean_ns=np.repeat(middle / 2, windows) * jitter,
        clock_bound_ns=np.where(rng.random(paths) < 0.5, 100_000.0, np.nan),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core
    rng = np.random.default_rng(1)
    evidence = evidence_of(arguments.paths, arguments.windows, rng)
    rules = rules_of(arguments.paths, rng)
    wall, cpu = [], []
    for _ in range(arguments.runs):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        judge(evidence, rules)
        wall.append(time.perf_counter() - wall_s)
        cpu.append(time.process_time() - cpu_s)
    verdict = "reached" if min(cpu) < GOAL_S else "MISSED"
    print(f"{arguments.paths:,} paths × 3 targets, {arguments.windows} windows a path, one core")
    print(
        f"best of {arguments.runs}: {min(cpu):.2f} s of processor, {min(wall):.2f} s of wall time"
    )
    print(f"goal: under {GOAL_S:g} s of processor: {verdict}")


if __name__ == "__main__":
    main()
