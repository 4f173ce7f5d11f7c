"""What the judge is given: the period's windows as Evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.store.aggregate import Aggregate
from probes.window import known_outcomes
from topology.model import PlannedStream
from topology.network import Network


def evidence_of(
    aggregate: Aggregate, calibration_ns: NDArray[np.float64], floor_ns: NDArray[np.float64]
) -> Evidence:
    """Return an aggregate of all streams as evidence, one row per stream."""
    counters = aggregate.counters
    received = counters["received"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_ns = {
            name: aggregate.total_ns[name] / aggregate.distributions[name].totals()
            for name in ("rtt", "forward", "backward")
        }
    return Evidence(
        rtt=aggregate.distributions["rtt"],
        forward=aggregate.distributions["forward"],
        backward=aggregate.distributions["backward"],
        variation=aggregate.distributions["variation"],
        rtt_min_ns=aggregate.least_ns["rtt"],
        rtt_mean_ns=mean_ns["rtt"],
        rtt_max_ns=aggregate.most_ns["rtt"],
        forward_min_ns=aggregate.least_ns["forward"],
        forward_mean_ns=mean_ns["forward"],
        forward_max_ns=aggregate.most_ns["forward"],
        backward_min_ns=aggregate.least_ns["backward"],
        backward_mean_ns=mean_ns["backward"],
        backward_max_ns=aggregate.most_ns["backward"],
        sent=known_outcomes(counters),
        received=received,
        lost=sum_of(aggregate, "lost_forward", "lost_backward", "lost_unknown", "late"),
        lost_forward=counters["lost_forward"],
        lost_backward=counters["lost_backward"],
        window_indptr=aggregate.windows.indptr,
        window_sent=aggregate.windows.sent,
        window_lost=aggregate.windows.lost,
        window_rtt_mean_ns=aggregate.windows.rtt_mean_ns,
        window_forward_mean_ns=aggregate.windows.forward_mean_ns,
        clock_bound_ns=aggregate.clock_bound_ns,
        clock_doubt=np.zeros(len(aggregate.row), np.int8),
        calibration_ns=calibration_ns,
        floor_ns=floor_ns,
    )


def sum_of(aggregate: Aggregate, *names: str) -> NDArray[np.int64]:
    """Return the sum of some counters, int64[n]."""
    total = np.zeros(len(aggregate.row), np.int64)
    for name in names:
        total += aggregate.counters[name]
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
