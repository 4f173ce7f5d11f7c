"""One-way delay without perfect clocks (docs/concepts/measurement.md §4.2, §4.3).

With L = light in fibre, E = the bound on both clocks, e = calibration, for every single probe
    L ≤ d_forward ≤ RTT - L              always true, needs no clock
    m_forward - E ≤ d_forward ≤ m_forward + E      true if the clocks keep their promise
Order statistics keep such inequalities: both upper bounds read at the same rank bound the same
order statistic of the true delays, so the smaller may be taken without widening the confidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import CLOCK_FAULTS, Evidence

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneWay:
    """Bounds of a one-way delay, [n]; `trusted` where clocks had a part in them."""

    low_ns: Floats
    high_ns: Floats
    trusted: NDArray[np.bool_]
    fault: NDArray[np.int8]


def is_faster_than_light(evidence: Evidence, rows: slice = slice(None)) -> NDArray[np.bool_]:
    """Return which rows' quickest round trip is quicker than light there and back, bool[n].

    No clock is in a round trip, so the floor is what is wrong: a site does not lie where it was
    said to, or it is no fibre.
    """
    quicker: NDArray[np.bool_] = (
        evidence.least_ns["rtt"][rows] + evidence.calibration_ns[rows] < 2 * evidence.floor_ns[rows]
    )
    return quicker


def without_false_floors(evidence: Evidence) -> Evidence:
    """Return the evidence with a floor of 0 (unknown) where what was measured refutes it."""
    return replace(
        evidence, floor_ns=np.where(is_faster_than_light(evidence), 0.0, evidence.floor_ns)
    )


def intersect(
    clock_low_ns: Floats,
    clock_high_ns: Floats,
    floor_ns: Floats,
    rtt_high_ns: Floats,
    trusted: NDArray[np.bool_],
    fault: NDArray[np.int8],
) -> OneWay:
    """Intersect what the clocks say with what physics allows, all [n], all terms included.

    Where the intersection is empty the clocks contradict physics: a clock is accused, never the
    path, and physics alone remains.
    """
    physical_high = rtt_high_ns - floor_ns
    beyond = trusted & (fault == 0) & (clock_low_ns > physical_high)
    fault = np.where(beyond, CLOCK_FAULTS.index("longer_than_round_trip"), fault).astype(np.int8)
    early = trusted & (fault == 0) & (clock_high_ns < floor_ns)
    fault = np.where(early, CLOCK_FAULTS.index("forward_too_fast"), fault).astype(np.int8)
    used = trusted & (fault == 0)
    return OneWay(
        low_ns=np.where(used, np.fmax(clock_low_ns, floor_ns), floor_ns),
        high_ns=np.where(used, np.fmin(clock_high_ns, physical_high), physical_high),
        trusted=used,
        fault=fault,
    )


def single_probe_faults(evidence: Evidence) -> NDArray[np.int8]:
    """Return, per row, whether the quickest probe of either direction outran light, int8[n].

    Certain, not statistical: one probe suffices. Only where the clocks are said to be trusted.
    """
    slack_ns = evidence.clock_bound_ns + evidence.calibration_ns
    forward = evidence.least_ns["forward"] + slack_ns < evidence.floor_ns
    backward = evidence.least_ns["backward"] + slack_ns < evidence.floor_ns
    answer = np.where(backward, CLOCK_FAULTS.index("backward_too_fast"), 0)
    answer = np.where(forward, CLOCK_FAULTS.index("forward_too_fast"), answer)
    return answer.astype(np.int8)
