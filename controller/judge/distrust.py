"""Clocks that the evidence itself gives the lie: no verdict may rest on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from controller.judge.closure import Closure, Flags, Integers, close_mesh, touched_by
from controller.judge.evidence import CLOCK_FAULTS, Evidence

Floats = NDArray[np.float64]

# What forward + backward may differ from the round trip: timestamps are told to the nanosecond, and
# two free clocks part by less than 100 ppm while a probe is under way.
TIMESTAMP_ERROR_NS = 1_000.0
DRIFT_RATIO = 1e-4


def identity_gap_ns(evidence: Evidence) -> Floats:
    """Return mean forward + mean backward - mean round trip, [n]; NaN where they cannot be added.

    All three are of the same probes and the offset of the clocks cancels
    (docs/concepts/measurement.md §4.2: m_f + m_b = RTT - residence), so anything but 0 means that
    timestamps are broken: a clock was stepped within the reflector's residence, or something
    rewrote them.
    """
    same = evidence.forward.totals() == evidence.rtt.totals()
    same &= evidence.backward.totals() == evidence.rtt.totals()
    gap = evidence.forward_mean_ns + evidence.backward_mean_ns - evidence.rtt_mean_ns
    return np.where(same, gap, np.nan)


def broken_timestamps(evidence: Evidence) -> Flags:
    """Return which rows' one-way delays do not add up to the round trip, bool[n]."""
    tolerance = TIMESTAMP_ERROR_NS + DRIFT_RATIO * evidence.rtt_mean_ns
    broken: Flags = np.abs(identity_gap_ns(evidence)) > tolerance
    return broken


def distrust(
    evidence: Evidence, source: Integers, destination: Integers, nodes: int
) -> tuple[Evidence, Closure]:
    """Return the evidence without trust in clocks that are found out, and what the mesh found.

    source, destination int64[n]: the node at each end of each row, -1 where it belongs to no mesh.
    A row whose timestamps are broken loses its own trust; a node that the mesh refutes costs every
    row that it has an end of. `clock_doubt` keeps why.
    """
    broken = broken_timestamps(evidence)
    sound = _without(evidence, broken, "broken_timestamps")
    outside = np.full(evidence.rows, -1)
    ends = np.where(broken, outside, source), np.where(broken, outside, destination)
    found = close_mesh(sound, *ends, nodes)
    return _without(sound, touched_by(source, destination, found.liar), "refuted_by_mesh"), found


def _without(evidence: Evidence, rows: Flags, why: str) -> Evidence:
    """Return the evidence with no trust in the clocks of some rows; what had none keeps its own."""
    lost = rows & ~np.isnan(evidence.clock_bound_ns)
    return replace(
        evidence,
        clock_bound_ns=np.where(lost, np.nan, evidence.clock_bound_ns),
        clock_doubt=np.where(lost, CLOCK_FAULTS.index(why), evidence.clock_doubt).astype(np.int8),
    )
