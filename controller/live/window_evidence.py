"""The period's windows as evidence for the judge, and as figures for people.

Figures are read at the middle of a bucket, 1 % at most off; the judge does not use them, it reads
intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.store.aggregate import DELAYS, Aggregate
from controller.store.quantiles import quantile_columns
from probes import measures
from probes.window import known_outcomes, lost_of
from topology.model import PlannedStream
from topology.network import Network

PERCENTILES = {"rtt": (50, 95), "forward": (50, 95), "backward": (50,)}


def evidence_of(
    aggregate: Aggregate, calibration_ns: NDArray[np.float64], floor_ns: NDArray[np.float64]
) -> Evidence:
    """Return an aggregate of all streams as evidence, one row per stream."""
    return Evidence(
        counters=aggregate.counters,
        values=aggregate.values,
        distributions=aggregate.distributions,
        least_ns=aggregate.least_ns,
        mean_ns={delay: aggregate.mean_ns(delay) for delay in DELAYS},
        most_ns=aggregate.most_ns,
        sent=known_outcomes(aggregate.counters),
        lost=lost_of(aggregate.counters),
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


def figure_columns(evidence: Evidence) -> dict[str, NDArray[np.float64]]:
    """Return the figures of every row of evidence as columns, named as in the API's `figures`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        loss_ratio = evidence.lost / evidence.sent
    columns = {"loss_ratio": loss_ratio, "rtt_mean_ns": evidence.mean_ns["rtt"]}
    for one in measures.DISTRIBUTIONS:
        columns |= quantile_columns(
            one,
            PERCENTILES.get(one.name, ()),
            evidence.distributions[one.name],
            evidence.counters,
            evidence.least_ns.get(one.name),
            evidence.most_ns.get(one.name),
        )
    return columns
