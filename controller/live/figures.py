"""Numbers read from histograms for people: quantiles at the middle of a bucket, 1 % at most off.

The judge does not use these; it reads intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.judge.evidence import Evidence
from controller.store.quantiles import quantile_ns
from probes.histogram import Histograms


def figure_columns(evidence: Evidence) -> dict[str, NDArray[np.float64]]:
    """Return the figures of every row of evidence as columns, named as in the API's `figures`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {"loss_ratio": evidence.lost / evidence.sent, "rtt_mean_ns": evidence.rtt_mean_ns}
    unknown = evidence.lost - evidence.lost_forward - evidence.lost_backward
    lost = {
        "rtt": evidence.lost,
        "forward": evidence.lost_forward + unknown,
        "backward": evidence.lost_backward + unknown,
    }
    for delay, percent in (
        ("rtt", 50),
        ("rtt", 95),
        ("forward", 50),
        ("forward", 95),
        ("backward", 50),
    ):
        histograms: Histograms = getattr(evidence, delay)
        one_way_unknown = (delay != "rtt") & (histograms.totals() == 0)
        columns[f"{delay}_p{percent}_ns"] = quantile_ns(
            histograms,
            percent / 100,
            np.where(one_way_unknown, 0, lost[delay]),
            getattr(evidence, f"{delay}_min_ns"),
            getattr(evidence, f"{delay}_max_ns"),
        )
    return columns
