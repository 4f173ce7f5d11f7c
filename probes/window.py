"""Window summaries: what a set of streams did in one interval, as columns.

A window is closed only when the waiting time of its last probe is over, so nothing in it is in
flight: for every row  sent = received + late + lost_forward + lost_backward + lost_unknown + unread
and  asked = sent + not sent, by cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.ragged import stack_rows, take_rows
from probes import measures
from probes.histogram import Histograms
from probes.measures import NOT_SENT

COUNTERS = tuple(one.name for one in measures.COUNTERS)
MEASURES = tuple(one.name for one in measures.VALUES)
DISTRIBUTIONS = tuple(one.name for one in measures.DISTRIBUTIONS)
_LOST = ("lost_forward", "lost_backward", "lost_unknown", "late")

Counters = Mapping[str, NDArray[Any]] | NDArray[Any]  # by name: a dict, or records with fields

TIMESTAMPING = ("none", "user", "kernel", "hardware")  # worst method among the window's delays


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowColumns:
    """Per-flow figures; the flows of window i are rows indptr[i]:indptr[i+1]."""

    indptr: NDArray[np.int64]
    flow: NDArray[np.uint16]
    sent: NDArray[np.uint32]
    lost: NDArray[np.uint32]  # late and lost in any direction
    rtt_p50_ns: NDArray[np.float64]

    def take(self, row: NDArray[np.int64]) -> FlowColumns:
        """Return the flows of the windows numbered by `row`, in that order."""
        indptr, entry = take_rows(self.indptr, row)
        return FlowColumns(
            indptr=indptr,
            flow=self.flow[entry],
            sent=self.sent[entry],
            lost=self.lost[entry],
            rtt_p50_ns=self.rtt_p50_ns[entry],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBatch:
    """The windows of n streams over one interval [start_ns, start_ns + duration_ns).

    `start_ns` is wall-clock nanoseconds since 1970, aligned to the duration, so that windows of
    all agents line up. Shapes: stream_id uint64[n], counters[name] uint32[n], measures[name]
    float64[n], distributions[name] n rows, timestamping uint8[n] (index into TIMESTAMPING), suspect
    bool[n] (the machine was starved while it measured, or its clock was stepped).

    Only who measured knows `ended_ns`: when the interval ended on that machine's monotonic scale.
    """

    start_ns: int
    duration_ns: int
    ended_ns: int | None = None
    stream_id: NDArray[np.uint64]
    counters: dict[str, NDArray[np.uint32]]
    measures: dict[str, NDArray[np.float64]]
    distributions: dict[str, Histograms]
    timestamping: NDArray[np.uint8]
    suspect: NDArray[np.bool_]
    flows: FlowColumns

    @property
    def rows(self) -> int:
        """How many windows."""
        return len(self.stream_id)

    def lost(self) -> NDArray[np.int64]:
        """Return probes of no or late return (RFC 7680: lost after the waiting time), int64[n]."""
        return lost_of(self.counters)

    def known(self) -> NDArray[np.int64]:
        """Return the probes that are known to have been answered or not, int64[n]."""
        return known_outcomes(self.counters)

    def not_sent(self) -> NDArray[np.int64]:
        """Return probes that were due and never left, int64[n]."""
        return not_sent(self.counters)

    def take(self, row: NDArray[np.int64]) -> WindowBatch:
        """Return the windows numbered by `row`, in that order: copies that hold nothing else."""
        return WindowBatch(
            start_ns=self.start_ns,
            duration_ns=self.duration_ns,
            stream_id=self.stream_id[row],
            counters={name: column[row] for name, column in self.counters.items()},
            measures={name: column[row] for name, column in self.measures.items()},
            distributions={name: each.take(row) for name, each in self.distributions.items()},
            timestamping=self.timestamping[row],
            suspect=self.suspect[row],
            flows=self.flows.take(row),
        )

    @staticmethod
    def empty(start_ns: int, duration_ns: int) -> WindowBatch:
        """Return a batch without rows."""
        return WindowBatch(
            start_ns=start_ns,
            duration_ns=duration_ns,
            stream_id=np.zeros(0, np.uint64),
            counters={name: np.zeros(0, np.uint32) for name in COUNTERS},
            measures={name: np.zeros(0, np.float64) for name in MEASURES},
            distributions={name: Histograms.empty(0) for name in DISTRIBUTIONS},
            timestamping=np.zeros(0, np.uint8),
            suspect=np.zeros(0, np.bool_),
            flows=FlowColumns(
                indptr=np.zeros(1, np.int64),
                flow=np.zeros(0, np.uint16),
                sent=np.zeros(0, np.uint32),
                lost=np.zeros(0, np.uint32),
                rtt_p50_ns=np.zeros(0, np.float64),
            ),
        )


def total_of(counters: Counters, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the sum of some counters, int64[n]."""
    total: NDArray[np.int64] = sum(
        (counters[name].astype(np.int64) for name in names[1:]), counters[names[0]].astype(np.int64)
    )
    return total


def known_outcomes(counters: Counters) -> NDArray[np.int64]:
    """Return the probes that loss ratios are of, int64[n]: those sent whose answers were read, or
    would have been."""
    known: NDArray[np.int64] = counters["sent"].astype(np.int64) - counters["unread"]
    return known


def lost_of(counters: Counters) -> NDArray[np.int64]:
    """Return probes of no or late return (RFC 7680: lost after the waiting time), int64[n]."""
    return total_of(counters, _LOST)


def infinite_delays(
    one: measures.Distribution, counters: Counters, held: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the lost probes that are infinite delays in a distribution, int64[n].

    `held`: how many finite ones it holds. Where no one-way delay was measured, a lost probe has
    none either.
    """
    if not one.infinite:
        return np.zeros(len(held), np.int64)
    lost = total_of(counters, one.infinite)
    return np.where(held > 0, lost, 0) if one.signed else lost


def not_sent(counters: Counters) -> NDArray[np.int64]:
    """Return the probes that were due and never left, int64[n]: asked for less sent."""
    return total_of(counters, [f"not_sent_{cause}" for cause in NOT_SENT])


def stack_windows(parts: Sequence[WindowBatch]) -> WindowBatch:
    """Return one batch with the windows of all parts (one interval), by ascending stream."""
    whole = WindowBatch(
        start_ns=parts[0].start_ns,
        duration_ns=parts[0].duration_ns,
        stream_id=np.concatenate([part.stream_id for part in parts]),
        counters={
            name: np.concatenate([part.counters[name] for part in parts]) for name in COUNTERS
        },
        measures={
            name: np.concatenate([part.measures[name] for part in parts]) for name in MEASURES
        },
        distributions={
            name: Histograms.stack([part.distributions[name] for part in parts])
            for name in DISTRIBUTIONS
        },
        timestamping=np.concatenate([part.timestamping for part in parts]),
        suspect=np.concatenate([part.suspect for part in parts]),
        flows=stack_flows([part.flows for part in parts]),
    )
    if (whole.stream_id[1:] > whole.stream_id[:-1]).all():
        return whole
    return whole.take(np.argsort(whole.stream_id, kind="stable"))


def stack_flows(parts: Sequence[FlowColumns]) -> FlowColumns:
    """Return the flows of all parts, in order."""
    return FlowColumns(
        indptr=stack_rows([part.indptr for part in parts]),
        flow=np.concatenate([part.flow for part in parts]),
        sent=np.concatenate([part.sent for part in parts]),
        lost=np.concatenate([part.lost for part in parts]),
        rtt_p50_ns=np.concatenate([part.rtt_p50_ns for part in parts]),
    )
