"""What the judge is given: the period's windows as Evidence, the demands as Rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from topology.network import Network

from controller.judge.evidence import DIRECTIONS, KINDS, STATISTICS, Evidence, Rules
from controller.merging import Part
from topology.model import Demand, PlannedStream


def evidence_of(
    part: Part, calibration_ns: NDArray[np.float64], floor_ns: NDArray[np.float64]
) -> Evidence:
    """Return a part that has every stream as evidence, one row a stream."""
    counters = part.counters
    received = counters["received"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_ns = {
            name: part.total_ns[name] / part.distributions[name].totals()
            for name in ("rtt", "forward", "backward")
        }
    return Evidence(
        rtt=part.distributions["rtt"],
        forward=part.distributions["forward"],
        backward=part.distributions["backward"],
        variation=part.distributions["variation"],
        rtt_min_ns=part.least_ns["rtt"],
        rtt_mean_ns=mean_ns["rtt"],
        rtt_max_ns=part.most_ns["rtt"],
        forward_min_ns=part.least_ns["forward"],
        forward_mean_ns=mean_ns["forward"],
        forward_max_ns=part.most_ns["forward"],
        backward_min_ns=part.least_ns["backward"],
        backward_mean_ns=mean_ns["backward"],
        backward_max_ns=part.most_ns["backward"],
        sent=counters["sent"],
        received=received,
        lost=sum_of(part, "lost_forward", "lost_backward", "lost_unknown", "late"),
        lost_forward=counters["lost_forward"],
        lost_backward=counters["lost_backward"],
        window_indptr=part.windows.indptr,
        window_sent=part.windows.sent,
        window_lost=part.windows.lost,
        window_rtt_mean_ns=part.windows.rtt_mean_ns,
        window_forward_mean_ns=part.windows.forward_mean_ns,
        clock_bound_ns=part.clock_bound_ns,
        calibration_ns=calibration_ns,
        floor_ns=floor_ns,
    )


def sum_of(part: Part, *names: str) -> NDArray[np.int64]:
    """Return the sum of some counters, int64[n]."""
    total = np.zeros(len(part.row), np.int64)
    for name in names:
        total += part.counters[name]
    return total


def floors_ns(network: Network, streams: Sequence[PlannedStream]) -> NDArray[np.float64]:
    """Return light in fibre over the great circle of each stream's path."""
    known: dict[tuple[str, str], float] = {}
    floors = np.zeros(len(streams))
    for row, stream in enumerate(streams):
        pair = (stream.path.source.site, stream.path.destination.site)
        if pair not in known:
            known[pair] = network.distance(*pair).floor_ns
        floors[row] = known[pair]
    return floors


@dataclass(frozen=True, slots=True)
class Demands:
    """The demands as columns. `candidates` int64[n, k]: rows of the streams that may be judged,
    in the target's order of protocols, -1 for none.
    """

    candidates: NDArray[np.int64]
    kind: NDArray[np.int8]
    direction: NDArray[np.int8]
    statistic: NDArray[np.int8]
    limit: NDArray[np.float64]
    limit_low: NDArray[np.float64]
    limit_high: NDArray[np.float64]
    impossible: NDArray[np.bool_]

    def rules(self, sent: NDArray[np.int64]) -> Rules:
        """Return the rules: each demand on the first of its streams that has sent anything.

        Where none has, the first planned one; -1 where no stream measures the path.
        """
        measured = (self.candidates >= 0) & (np.append(sent, 0)[self.candidates] > 0)
        choice = np.argmax(measured, axis=1)  # the first true; 0, the first planned, if none is
        return Rules(
            row=self.candidates[np.arange(len(choice)), choice],
            kind=self.kind,
            direction=self.direction,
            statistic=self.statistic,
            limit=self.limit,
            limit_low=self.limit_low,
            limit_high=self.limit_high,
            impossible=self.impossible,
        )


def columns_of(demands: Sequence[Demand], streams: Sequence[PlannedStream]) -> Demands:
    """Return the demands as columns over the streams' rows."""
    rows: dict[tuple[str, str], int] = {}
    for row, stream in enumerate(streams):
        rows.setdefault((stream.path.id, stream.type_p.protocol), row)
    candidates = np.full((len(demands), 3), -1, np.int64)
    for i, demand in enumerate(demands):
        path = demand.path.id
        found = [rows[path, name] for name in demand.target.protocols if (path, name) in rows]
        candidates[i, : len(found[:3])] = found[:3]
    limits = np.array([_limits(demand) for demand in demands], np.float64).reshape(-1, 3)
    return Demands(
        candidates=candidates,
        kind=_codes(KINDS, [demand.target.kind for demand in demands]),
        direction=_codes(DIRECTIONS, [demand.target.direction for demand in demands]),
        statistic=_codes(STATISTICS, [demand.target.statistic for demand in demands]),
        limit=limits[:, 0],
        limit_low=limits[:, 1],
        limit_high=limits[:, 2],
        impossible=np.array([demand.impossible for demand in demands], np.bool_),
    )


def _limits(demand: Demand) -> tuple[float, float, float]:
    """Return (limit, low, high); NaN where the demand has none."""
    limit = demand.limit_ratio if demand.limit_ns is None else demand.limit_ns
    if limit is None:
        return (np.nan, np.nan, np.nan)
    low, high = demand.limit_low_ns, demand.limit_high_ns
    return (limit, limit if low is None else low, limit if high is None else high)


def _codes(names: Sequence[str], values: Sequence[str]) -> NDArray[np.int8]:
    return np.array([names.index(value) for value in values], np.int8)
