"""Sealed baselines: a period frozen with all that is needed to compare with it, and its hash.

Per stream and hour of the week they keep the counters, the exact sum of round trips and their
histogram, which add to any coarser period; `controller.store.baseline_content` says how it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.judge.improvement import HOURS, Cells, hour_of_week
from controller.store.aggregate import Aggregate, aggregate_of, without_windows
from controller.store.baseline_content import Content, SealedStream, content_of, record_of
from controller.store.merging import merge
from controller.store.quantiles import quantile_ns
from controller.store.records import BaselineRecord
from foundation.errors import ConfigError
from foundation.number_types import Instant
from probes.histogram import EDGES_VERSION, Histograms
from probes.window import WindowBatch, known_outcomes, lost_of
from topology.model import Name, PlannedStream

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
CHUNKS_A_MERGE = 256


class SealRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to seal: windows with from_ns ≤ start_ns < to_ns."""

    name: Name
    from_ns: Instant
    to_ns: Instant


@dataclass(frozen=True, slots=True)
class Baseline:
    """A sealed baseline as it is used."""

    record: BaselineRecord
    content: Content

    @property
    def stream_ids(self) -> tuple[int, ...]:
        """The streams it holds, by number of the unit."""
        return tuple(stream.stream_id for stream in self.content.streams)

    @property
    def hours(self) -> int:
        """How many hours of the week it has."""
        return len(np.unique(np.frombuffer(self.content.hour, np.int64)))

    def cells(self, statistic: str, direction: str = "round_trip") -> Cells:
        """Return its cells, `unit` numbering its own streams; none where it kept no such way."""
        c = self.content
        counts = {
            "unit": np.frombuffer(c.unit, np.int64),
            "hour": np.frombuffer(c.hour, np.int64),
            "sent": np.frombuffer(c.sent, np.int64),
            "lost": np.frombuffer(c.lost, np.int64),
        }
        if direction == "round_trip":
            return cells_from(
                statistic,
                **counts,
                lost_most=counts["lost"],
                bound_ns=np.zeros(len(counts["unit"])),
                sum_ns=np.frombuffer(c.rtt_sum_ns, np.float64),
                extremes_ns=(np.frombuffer(c.rtt_least_ns), np.frombuffer(c.rtt_most_ns)),
                delays=_histograms(c.indptr, c.bucket, c.count),
            )
        if c.version < 2:
            return no_cells()
        back = np.frombuffer(c.lost_backward, np.int64)
        return cells_from(
            statistic,
            **counts | {"lost": np.frombuffer(c.lost_forward, np.int64)},
            lost_most=counts["lost"] - back,
            bound_ns=np.frombuffer(c.bound_ns),
            sum_ns=np.frombuffer(c.forward_sum_ns),
            extremes_ns=(np.frombuffer(c.forward_least_ns), np.frombuffer(c.forward_most_ns)),
            delays=_histograms(c.forward_indptr, c.forward_bucket, c.forward_count),
        )


def _histograms(indptr: bytes, bucket: bytes, count: bytes) -> Histograms:
    return Histograms(
        np.frombuffer(indptr, np.int64),
        np.frombuffer(bucket, np.int16),
        np.frombuffer(count, np.int64),
    )


def seal(
    request: SealRequest,
    batches: Iterable[WindowBatch],
    streams: Sequence[PlannedStream],
    plan_versions: Mapping[str, int],
    now_ns: int,
) -> BaselineRecord:
    """Return the frozen period of these streams. Raises ConfigError where there is nothing."""
    if request.to_ns <= request.from_ns or request.to_ns > now_ns:
        raise ConfigError(
            "Only a past period can be sealed: give --from before --to, and --to not after now.",
            "基线期必须是已经过去的时段：--from 须早于 --to，且 --to 不得晚于当前时间。",
            name=request.name,
        )
    aggregate = _collect(request, batches, [stream.stream_id for stream in streams])
    sent = known_outcomes(aggregate.counters) > 0
    if not sent.any():
        raise ConfigError(
            "Nothing was measured in this period that a baseline could hold; choose another one.",
            "该时段内没有可用于基线的测量数据；请另选时段。",
            name=request.name,
        )
    content = _content(request, aggregate, np.flatnonzero(sent), streams, plan_versions)
    return record_of(request.name, content, now_ns)


def opened(record: BaselineRecord) -> Baseline:
    """Return a stored baseline. Raises RemoteProtocolError if it is not what was sealed."""
    return Baseline(record, content_of(record))


def _collect(request: SealRequest, batches: Iterable[WindowBatch], ids: list[int]) -> Aggregate:
    """Add up the period by stream and hour of the week: row = unit × HOURS + hour."""
    order = np.argsort(np.array(ids, np.uint64))
    ordered = np.array(ids, np.uint64)[order]
    rows = len(ids) * HOURS
    aggregates: list[Aggregate] = []
    for batch in batches:
        if not request.from_ns <= batch.start_ns < request.to_ns:
            continue
        place = np.minimum(np.searchsorted(ordered, batch.stream_id), max(0, len(ids) - 1))
        taken = np.flatnonzero(ordered[place] == batch.stream_id) if len(ids) else place[:0]
        hour = int(hour_of_week(np.array(batch.start_ns)))
        unit = order[place[taken]]
        aggregates.append(without_windows(aggregate_of(batch, taken, unit * HOURS + hour)))
        if len(aggregates) >= CHUNKS_A_MERGE:
            aggregates = [merge(aggregates, rows)]
    return merge(aggregates, rows)


def _content(
    request: SealRequest,
    aggregate: Aggregate,
    kept: NDArray[np.int64],
    streams: Sequence[PlannedStream],
    plan_versions: Mapping[str, int],
) -> Content:
    units, unit = np.unique(aggregate.row[kept] // HOURS, return_inverse=True)
    rtt, forward = (aggregate.distributions[name].take(kept) for name in ("rtt", "forward"))
    return Content(
        version=2,
        edges_version=EDGES_VERSION,
        from_ns=request.from_ns,
        to_ns=request.to_ns,
        plan_versions=dict(sorted(plan_versions.items())),
        streams=[
            SealedStream(
                stream_id=streams[i].stream_id,
                path=streams[i].path.id,
                type_p=streams[i].type_p.label(),
            )
            for i in units.tolist()
        ],
        unit=unit.astype(np.int64).tobytes(),
        hour=(aggregate.row[kept] % HOURS).tobytes(),
        sent=known_outcomes(aggregate.counters)[kept].tobytes(),
        lost=lost_of(aggregate.counters)[kept].tobytes(),
        rtt_sum_ns=aggregate.total_ns["rtt"][kept].tobytes(),
        rtt_least_ns=aggregate.least_ns["rtt"][kept].tobytes(),
        rtt_most_ns=aggregate.most_ns["rtt"][kept].tobytes(),
        indptr=rtt.indptr.tobytes(),
        bucket=rtt.bucket.tobytes(),
        count=rtt.count.tobytes(),
        lost_forward=aggregate.counters["lost_forward"][kept].tobytes(),
        lost_backward=aggregate.counters["lost_backward"][kept].tobytes(),
        bound_ns=aggregate.clock_bound_ns[kept].tobytes(),
        forward_sum_ns=aggregate.total_ns["forward"][kept].tobytes(),
        forward_least_ns=aggregate.least_ns["forward"][kept].tobytes(),
        forward_most_ns=aggregate.most_ns["forward"][kept].tobytes(),
        forward_indptr=forward.indptr.tobytes(),
        forward_bucket=forward.bucket.tobytes(),
        forward_count=forward.count.tobytes(),
    )


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
