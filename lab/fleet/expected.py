"""The verdict that the truth demands: from the emulator's log and the limit, and nothing else.

No code of the controller is used here, on purpose: this is the other opinion. The log is exact for
the packets it saw; but a limit that lies within the log's own sampling interval (95 %) or within
RESOLUTION_NS of it is one that the truth does not decide, and then either answer is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.fleet.truth import Probes
from topology.model import Demand, Target

Expected = Literal["pass", "fail", "impossible", "either", "no_data"]

RESOLUTION_NS = 20_000.0  # veth crossings and both ends' timestamps, with room
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
_OUTSIDE = 0.05  # probability that the interval misses
_Z = 1.96  # its normal deviate


@dataclass(frozen=True, slots=True)
class Truth:
    """A figure of the log: its value and interval, in nanoseconds, or a ratio; NaN if unknown."""

    value: float
    low: float
    high: float
    samples: int


UNKNOWN = Truth(math.nan, math.nan, math.nan, 0)


def truth_of(target: Target, probes: Probes) -> Truth:
    """Return the target's statistic over the probes of one path and protocol."""
    if not len(probes):
        return UNKNOWN
    one_way = target.direction == "one_way"
    delay_ns = probes.forward_ns if one_way else probes.rtt_ns
    if target.kind == "loss":
        return _ratio(int(np.isnan(delay_ns).sum()), len(delay_ns))
    if target.kind == "variation":
        delay_ns = _variation_ns(target, probes, delay_ns)
    return _statistic(target.statistic, delay_ns)


def _variation_ns(
    target: Target, probes: Probes, delay_ns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return variations of what came back, of delays in the target's direction.

    PDV: above the least; IPDV: between neighbouring round trips, both of which came back.
    """
    if target.variation == "pdv":
        came = delay_ns[~np.isnan(probes.rtt_ns)]
        above: NDArray[np.float64] = came - came.min(initial=math.inf)
        return above
    ordered = probes.rtt_ns[np.argsort(probes.sent_ns, kind="stable")]
    changes: NDArray[np.float64] = np.abs(np.diff(ordered))
    return changes[~np.isnan(changes)]


def _ratio(lost: int, sent: int) -> Truth:
    """Return a loss ratio with its exact (Clopper–Pearson) interval."""
    from scipy.stats import beta

    low = 0.0 if lost == 0 else float(beta.ppf(_OUTSIDE / 2, lost, sent - lost + 1))
    high = 1.0 if lost == sent else float(beta.ppf(1 - _OUTSIDE / 2, lost + 1, sent - lost))
    return Truth(lost / sent, low, high, sent)


def _statistic(name: str, delay_ns: NDArray[np.float64]) -> Truth:
    """Return mean, max or a quantile; a lost probe is an infinite delay to a quantile."""
    got = np.sort(delay_ns[~np.isnan(delay_ns)])
    count, total = len(got), len(delay_ns)
    if not count:
        return UNKNOWN
    if name == "mean":
        spread = _Z * float(got.std()) / math.sqrt(count)
        return Truth(
            float(got.mean()), float(got.mean()) - spread, float(got.mean()) + spread, count
        )
    if name == "max":
        return Truth(float(got[-1]), float(got[-1]), math.inf, count)
    share = _QUANTILES[name]
    low, high = _rank_bounds(share, total)
    return Truth(_at(got, math.ceil(share * total)), _at(got, low), _at(got, high), total)


def _rank_bounds(share: float, total: int) -> tuple[int, int]:
    """Return the ranks between which the quantile lies (order statistics, no distribution)."""
    from scipy.stats import binom

    low = int(binom.ppf(_OUTSIDE / 2, total, share))
    return low, int(binom.ppf(1 - _OUTSIDE / 2, total, share)) + 1


def _at(ordered_ns: NDArray[np.float64], rank: int) -> float:
    if rank < 1:
        return -math.inf
    return float(ordered_ns[rank - 1]) if rank <= len(ordered_ns) else math.inf


def expected_verdict(demand: Demand, truth: Truth) -> Expected:
    """Return the verdict the truth demands, ``either`` where it does not decide."""
    if demand.impossible:
        return "impossible"
    if math.isnan(truth.value):
        return "no_data"
    if demand.limit_ratio is not None and demand.target.kind == "loss":
        least, most, margin = demand.limit_ratio, demand.limit_ratio, 0.0
    elif demand.limit_ns is not None:
        least = demand.limit_ns if demand.limit_low_ns is None else demand.limit_low_ns
        most = demand.limit_ns if demand.limit_high_ns is None else demand.limit_high_ns
        margin = RESOLUTION_NS
    else:
        return "no_data"
    if truth.high + margin <= least:
        return "pass"
    if truth.low - margin > most:
        return "fail"
    return "either"
