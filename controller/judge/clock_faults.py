"""Clocks that the evidence itself refutes: no verdict may be based on them.

Two ways find them out: one-way delays that do not add up to the round trip, and clocks held against
each other over a mesh.

For a stream from a to b let θ = clock_b - clock_a. Its readings give (docs/concepts/measurement.md
§4.2)
    θ̂ = (m_forward - m_backward) / 2,  wrong by half the asymmetry of the path,
which light in fibre limits to ±slack, slack = (m_forward + m_backward) / 2 - L. Around every
triangle the true θ add up to 0, so a mesh measures each clock many times over: the clocks' offsets
are the weighted least-squares solution of θ̂ = x_b - x_a. A stream whose clocks claim |θ| ≤ E while
the mesh says otherwise, by more than its own error, has a liar at one of its ends; the node with
most such streams is named. Assumed: asymmetries of different pairs are independent. What all paths
of a node have in common (a slower way in than out) looks like a clock, and is named as one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from controller.judge.evidence import CLOCK_FAULTS, Evidence
from controller.judge.one_way import without_false_floors

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

DEVIATES = 4.0  # of the mesh's own error, before a claim is called false
LEAST_SLACK_NS = 2_000.0  # timestamps are no better, however straight the fibre


@dataclass(frozen=True, slots=True)
class Closure:
    """What the mesh says of its clocks.

    offset_ns, error_ns float64[nodes]: each clock against the median of those it is connected
    with, and the standard error of that; NaN where nothing measures it. pairs, triangles
    int64[nodes]: how many other nodes measure the clock, and how many triangles of measured pairs
    it is a corner of: without one nothing but its own paths speaks of it. liar bool[nodes]: the
    clock is not within what its streams claim. refuted bool[n]: streams whose claim is false.
    """

    offset_ns: Floats
    error_ns: Floats
    pairs: Integers
    triangles: Integers
    liar: Flags
    refuted: Flags


def close_mesh(evidence: Evidence, source: Integers, destination: Integers, nodes: int) -> Closure:
    """Compare the clocks of `nodes` nodes by all streams between them.

    source, destination int64[n]: the node at each end of each row of evidence, -1 for none.
    """
    evidence = without_false_floors(evidence)
    theta = (evidence.least_ns["forward"] - evidence.least_ns["backward"]) / 2
    slack = (evidence.least_ns["forward"] + evidence.least_ns["backward"]) / 2 - evidence.floor_ns
    spread = np.fmax(slack, LEAST_SLACK_NS) / np.sqrt(3)  # asymmetry evenly within ± slack
    known = np.isfinite(theta) & (source >= 0) & (destination >= 0) & (source != destination)
    rows = _one_a_pair(np.flatnonzero(known), source, destination, spread)
    offset, covariance = _solve(source[rows], destination[rows], theta[rows], spread[rows], nodes)
    refuted = np.zeros(evidence.rows, np.bool_)
    at = np.flatnonzero(known & ~np.isnan(evidence.clock_bound_ns))
    a, b = source[at], destination[at]
    error = np.sqrt(np.fmax(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b], 0.0))
    claimed = evidence.clock_bound_ns[at] + evidence.calibration_ns[at]
    refuted[at] = np.abs(offset[b] - offset[a]) > claimed + DEVIATES * error
    liar = _find_false_clocks(a, b, refuted[at], nodes)
    pairs, triangles = _independent_streams(source[rows], destination[rows], nodes)
    return Closure(
        offset_ns=np.where(pairs > 0, offset, np.nan),
        error_ns=np.where(pairs > 0, np.sqrt(np.diag(covariance)), np.nan),
        pairs=pairs,
        triangles=triangles,
        liar=liar,
        refuted=refuted,
    )


def touched_by(source: Integers, destination: Integers, liar: Flags) -> Flags:
    """Return which streams a liar has an end of, bool[n]."""
    touched = np.zeros(len(source), np.bool_)
    for end in (source, destination):
        touched |= (end >= 0) & np.append(liar, False)[end]
    return touched


def _independent_streams(a: Integers, b: Integers, nodes: int) -> tuple[Integers, Integers]:
    """Return how many links and how many triangles of links each node has; links are unique."""
    once = coo_array((np.ones(len(a), np.int64), (a, b)), shape=(nodes, nodes)).tocsr()
    links = once + once.T
    closed = (links @ links).multiply(links)  # ways of two links between nodes that have a third
    return (
        np.asarray(links.sum(axis=1), np.int64).reshape(nodes),
        np.asarray(closed.sum(axis=1), np.int64).reshape(nodes) // 2,
    )


def _one_a_pair(
    rows: Integers, source: Integers, destination: Integers, spread: Floats
) -> Integers:
    """Keep the tightest stream of each pair: both directions share one asymmetry."""
    low, high = np.minimum(source, destination)[rows], np.maximum(source, destination)[rows]
    order = np.lexsort((spread[rows], high, low))
    _, first = np.unique(np.stack([low, high])[:, order], axis=1, return_index=True)
    return rows[order[first]]


def _solve(
    a: Integers, b: Integers, theta: Floats, spread: Floats, nodes: int
) -> tuple[Floats, Floats]:
    """Return (offsets [nodes], their covariance [nodes, nodes]), one part of the mesh at a time.

    Only differences within a part mean anything; offsets are told against the part's median.
    """
    offset, covariance = np.zeros(nodes), np.zeros((nodes, nodes))
    links = coo_array((np.ones(len(a)), (a, b)), shape=(nodes, nodes))
    _, part_of = connected_components(links, directed=False)
    weight = spread**-2.0
    for part in np.unique(part_of[a]):
        own = part_of[a] == part
        members = np.flatnonzero(part_of == part)
        i, j = np.searchsorted(members, a[own]), np.searchsorted(members, b[own])
        w, pull = weight[own], weight[own] * theta[own]
        normal, right = np.zeros((len(members),) * 2), np.zeros(len(members))
        for row, column, sign in ((i, i, 1.0), (j, j, 1.0), (i, j, -1.0), (j, i, -1.0)):
            np.add.at(normal, (row, column), sign * w)
        np.add.at(right, j, pull)
        np.subtract.at(right, i, pull)
        # The normal matrix is blind to a shift of all clocks; adding one makes it regular.
        shift = w.mean() / len(members)
        inverse = np.linalg.inv(normal + shift)
        value = inverse @ right
        offset[members] = value - np.median(value)
        covariance[np.ix_(members, members)] = inverse - 1 / (shift * len(members) ** 2)
    return offset, covariance


def _find_false_clocks(a: Integers, b: Integers, refuted: Flags, nodes: int) -> Flags:
    """Name the fewest nodes that explain the refuted streams: the most refuted one first.

    Where nothing tells two nodes apart, both are named: no verdict may be based on either.
    """
    liar = np.zeros(nodes, np.bool_)
    open_ = refuted.copy()
    all_streams = np.bincount(a, minlength=nodes) + np.bincount(b, minlength=nodes)
    while open_.any():
        count = np.bincount(a[open_], minlength=nodes) + np.bincount(b[open_], minlength=nodes)
        share = count / np.maximum(all_streams, 1)
        most = np.lexsort((share, count))[-1]
        liar |= (count == count[most]) & (share == share[most])
        open_ &= ~(liar[a] | liar[b])
    return liar


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
    same = evidence.distributions["forward"].totals() == evidence.distributions["rtt"].totals()
    same &= evidence.distributions["backward"].totals() == evidence.distributions["rtt"].totals()
    gap = evidence.mean_ns["forward"] + evidence.mean_ns["backward"] - evidence.mean_ns["rtt"]
    return np.where(same, gap, np.nan)


def broken_timestamps(evidence: Evidence) -> Flags:
    """Return which rows' one-way delays do not add up to the round trip, bool[n]."""
    tolerance = TIMESTAMP_ERROR_NS + DRIFT_RATIO * evidence.mean_ns["rtt"]
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
