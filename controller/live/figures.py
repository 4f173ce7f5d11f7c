"""Numbers read from histograms for people: quantiles at the middle of a bucket, 1 % at most off.

The judge does not use these; it reads intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.store.quantiles import quantile_columns
from probes import measures

PERCENTILES = {"rtt": (50, 95), "forward": (50, 95), "backward": (50,)}


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
