"""What the judge is given: the period's windows as Evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.store.merging import Part
from probes.window import known_outcomes
from topology.model import PlannedStream
from topology.network import Network


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
        sent=known_outcomes(counters),
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
        clock_doubt=np.zeros(len(part.row), np.int8),
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
