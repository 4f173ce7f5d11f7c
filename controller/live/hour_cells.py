"""Hours of the week as what improvements are judged on: cells of a stream and an hour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.judge.improvement import Cells
from controller.store.aggregate import Aggregate
from controller.store.quantiles import quantile_ns
from probes.histogram import Histograms
from probes.window import known_outcomes, lost_of

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}


def cells_of(
    aggregate: Aggregate, statistic: str, hour: int, direction: str = "round_trip"
) -> Cells:
    """Return an aggregate of one hour as cells, `unit` as its rows are numbered."""
    way = "rtt" if direction == "round_trip" else "forward"
    lost = lost_of(aggregate.counters)
    least, most = lost, lost
    if way == "forward":
        least = aggregate.counters["lost_forward"]
        most = lost - aggregate.counters["lost_backward"]
    return cells_from(
        statistic,
        unit=aggregate.row,
        hour=np.full(len(aggregate.row), hour, np.int64),
        sent=known_outcomes(aggregate.counters),
        lost=least,
        lost_most=most,
        bound_ns=np.zeros(len(aggregate.row)) if way == "rtt" else aggregate.clock_bound_ns,
        sum_ns=aggregate.total_ns[way],
        extremes_ns=(aggregate.least_ns[way], aggregate.most_ns[way]),
        delays=aggregate.distributions[way],
    )


def no_cells() -> Cells:
    """Return no cells."""
    none = np.zeros(0, np.int64)
    return Cells(
        unit=none,
        hour=none,
        delay_ns=np.zeros(0),
        bound_ns=np.zeros(0),
        sent=none,
        lost=none,
        lost_most=none,
    )


def cells_from(
    statistic: str,
    *,
    unit: NDArray[np.int64],
    hour: NDArray[np.int64],
    sent: NDArray[np.int64],
    lost: NDArray[np.int64],
    lost_most: NDArray[np.int64],
    bound_ns: NDArray[np.float64],
    sum_ns: NDArray[np.float64],
    extremes_ns: tuple[NDArray[np.float64], NDArray[np.float64]],
    delays: Histograms,
) -> Cells:
    """Return cells with their statistic of the delay; in quantiles lost probes are infinite."""
    if statistic == "mean":
        with np.errstate(invalid="ignore", divide="ignore"):
            delay_ns = sum_ns / delays.totals()
    else:
        delay_ns = quantile_ns(delays, QUANTILES[statistic], lost_most, *extremes_ns)
    return Cells(
        unit=unit,
        hour=hour,
        delay_ns=delay_ns,
        bound_ns=bound_ns,
        sent=sent,
        lost=lost,
        lost_most=lost_most,
    )
