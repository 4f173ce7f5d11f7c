"""What the judge is given, what it is asked, and what it answers: three structs of arrays.

Rows of `Evidence` are measured streams (or any other unit that was measured as one); rows of
`Rules` are demands, each pointing at the row of evidence it is judged on. Delays are float64
nanoseconds, ratios 0–1, counts int64. What is unknown is NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import take_rows
from probes.histogram import Histograms

# Enumerations: an array of codes holds indices into these tuples.
MOSTLY_LOST = 0.5
# Those of topology.model.VerdictName.
VERDICTS: Final = ("pass", "fail", "undecided", "impossible", "no_data")
LIMITING_FACTORS = (
    "value",
    "clock",
    "samples",
    "asymmetry",
    "calibration",
    "floor",
    "none",
    "distance",
)
KINDS = (
    "delay",
    "loss",
    "delay_ratio",
    "variation",  # IPDV, between neighbouring round trips
    "improvement",
    "one_hop",
    "inventory",
    "comparison",
    "ipv6_parity",
    "pdv",  # variation above the least delay of the period
)
# Measured over a reference: judged elsewhere (comparing, improvement), not by `judge`.
RATIO_KINDS = ("improvement", "comparison", "ipv6_parity")
DIRECTIONS = ("one_way", "round_trip")
STATISTICS = ("p50", "p90", "p95", "p99", "p999", "mean", "max")
# Ways in which one-way readings can contradict physics; each accuses a clock, never a path.
CLOCK_FAULTS = (
    "none",
    "forward_too_fast",  # forward + bound < light in fibre: a clock makes the way there too short
    "backward_too_fast",  # the same of the way back: a clock makes the way there too long
    "longer_than_round_trip",  # forward - bound > round trip - light in fibre
    "refuted_by_mesh",  # other paths show a clock of either end outside of what it claims
    "broken_timestamps",  # forward + backward is not the round trip, which no offset explains
)

PASS, FAIL, UNDECIDED, IMPOSSIBLE, NO_DATA = range(len(VERDICTS))

# The level of each statistic; NaN where it is no quantile.
QUANTILE_OF_STATISTIC: NDArray[np.float64] = np.array([0.5, 0.9, 0.95, 0.99, 0.999, np.nan, np.nan])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured in the period that is judged, n rows.

    The measures that `probes.measures` declares, by name:
    counters int64[n]; values float64[n], of those that are merged; distributions n rows: delays of
      received probes as timestamped (one-way readings contain the clocks' disagreement; negative
      ones are kept). least_ns, mean_ns, most_ns float64[n] of rtt, forward, backward: exact, over
      received probes; NaN where nothing was.

    And what is made of them, or is beside them:
    sent, lost int64[n]: probes whose outcome is known, and those of no or late return (RFC 7680
      waiting time); sent = received + lost. Probes that never left the host are not sent.
    window_indptr int64[n+1]; window_* [m]: the windows of row i are indptr[i]:indptr[i+1] in order
      of time, with probes sent and lost, and the mean delays (float64, NaN where nothing was).
    clock_bound_ns float64[n]: largest bound of the period on the error that both ends' clocks give
      a one-way delay; NaN = at least one clock is not trusted.
    clock_doubt int8[n]: code into CLOCK_FAULTS: why a bound that was claimed is not believed.
    calibration_ns float64[n]: error of our own timestamps (docs/concepts/measurement.md §2.3), ≥ 0;
      0 where the engine has measured none.
    floor_ns float64[n]: light in fibre over the great circle, one way; 0 where unknown.
    """

    counters: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float64]]
    distributions: dict[str, Histograms]
    least_ns: dict[str, NDArray[np.float64]]
    mean_ns: dict[str, NDArray[np.float64]]
    most_ns: dict[str, NDArray[np.float64]]
    sent: NDArray[np.int64]
    lost: NDArray[np.int64]
    window_indptr: NDArray[np.int64]
    window_sent: NDArray[np.int64]
    window_lost: NDArray[np.int64]
    window_rtt_mean_ns: NDArray[np.float64]
    window_forward_mean_ns: NDArray[np.float64]
    clock_bound_ns: NDArray[np.float64]
    clock_doubt: NDArray[np.int8]
    calibration_ns: NDArray[np.float64]
    floor_ns: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """How many streams were measured."""
        return len(self.sent)

    def take(self, rows: NDArray[np.int64]) -> Evidence:
        """Return some rows, with their windows."""
        indptr, window = take_rows(self.window_indptr, rows)
        columns: dict[str, Any] = {"window_indptr": indptr}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, dict):
                columns[field.name] = {name: each.take(rows) for name, each in value.items()}
            elif field.name not in columns:
                of_windows = field.name.startswith("window_")
                columns[field.name] = value.take(window if of_windows else rows)
        return Evidence(**columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is demanded, n rows.

    row int64[n]: the row of evidence that each demand is judged on; -1 = nothing measures it.
    kind, direction, statistic int8[n]: codes into KINDS, DIRECTIONS, STATISTICS.
    limit float64[n]: ns for delay, delay_ratio and variation, a ratio for loss; NaN = none.
    limit_low, limit_high float64[n]: the limit's own uncertainty (road distance); = limit if exact.
    impossible bool[n]: the limit lies below light in fibre.
    """

    row: NDArray[np.int64]
    kind: NDArray[np.int8]
    direction: NDArray[np.int8]
    statistic: NDArray[np.int8]
    limit: NDArray[np.float64]
    limit_low: NDArray[np.float64]
    limit_high: NDArray[np.float64]
    impossible: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """How many demands."""
        return len(self.limit)

    def on(self, at: NDArray[np.int64], rows: NDArray[np.int64]) -> Rules:
        """Return rules `at`, whose rows all are among `rows` (ascending), by places there."""
        columns = {field.name: getattr(self, field.name)[at] for field in fields(self)}
        return Rules(**columns | {"row": places_of(columns["row"], rows)})


def places_of(row: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of `row` is in `rows` (ascending); -1, none, stays -1."""
    return np.where(row < 0, -1, np.searchsorted(rows, row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgements:
    """The answers, row by row of the rules.

    verdict, limiting_factor int8[n]: codes into VERDICTS and LIMITING_FACTORS (what decided, or
    what is in the way). measured float64[n]: the point estimate in the limit's unit (quantiles:
    RFC 2330 §11.3 with
      lost probes as +inf, so it may be +inf); NaN where there is none that may be published, as
      for a one-way delay without trusted clocks.
    low, high float64[n]: the interval judged, all terms included; -inf/+inf/NaN where unknown.
    other_reading float64[n]: the same statistic of the other direction kind (round trip beside
      one way and the reverse; the loss ratio has none), NaN where unknown; +inf if lost.
    sent, lost int64[n]: probes the verdict is based on.
    position float64[n]: loss only: 0 at 0.77 %, 1 at 3.76 % on a logarithmic scale; NaN else.
    needed_samples float64[n]: about how many more probes would decide; NaN if none would.
    needed_clock_bound_ns float64[n]: about which clock bound would decide; NaN if none would.
    pair_fails bool[n]: the round trip proves that at least one direction exceeds a one-way limit,
      though not which (docs/concepts/measurement.md §4.3).
    clock_fault int8[n]: code into CLOCK_FAULTS.
    from_round_trip bool[n]: a one-way limit decided without any clock.
    """

    verdict: NDArray[np.int8]
    limiting_factor: NDArray[np.int8]
    measured: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    other_reading: NDArray[np.float64]
    sent: NDArray[np.int64]
    lost: NDArray[np.int64]
    position: NDArray[np.float64]
    needed_samples: NDArray[np.float64]
    needed_clock_bound_ns: NDArray[np.float64]
    pair_fails: NDArray[np.bool_]
    clock_fault: NDArray[np.int8]
    from_round_trip: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """How many demands were judged."""
        return len(self.verdict)


def decide(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    limit_low: NDArray[np.float64],
    limit_high: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Return pass where the whole interval is within, fail where it is wholly outside, [n]."""
    verdict = np.where(high <= limit_low, PASS, np.where(low > limit_high, FAIL, UNDECIDED))
    return verdict.astype(np.int8)
