"""Windows: a stream over an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.documents.values import Protocol, StreamIdText, finite
from controller.judge.relative_delay import least_lines_ns
from controller.store.quantiles import quantile_columns
from controller.store.readable import readable_chunks
from probes import measures
from probes.histogram import Histograms
from probes.window import COUNTERS, MEASURES, TIMESTAMPING

if TYPE_CHECKING:
    from controller.live.archive import Archive
    from controller.store.records import StreamRecord
    from probes.window import WindowBatch


class FlowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of a window."""

    flow: int
    sent: int
    lost: int
    rtt_p50_ns: float | None


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    """One stream over one interval.

    `asked` = `sent` + `not_sent`, the latter by cause. `unread`: answers that the sender had no
    room for, so that these probes are neither received nor lost. `discarded`: of the lost, those
    of which an answer came that was of no use. `dscp_changed_*`: of the received, those that met
    another DSCP at the far end (forward) or here (backward); `dscp_*`, `ecn_*`: what was seen most,
    where it is known. `received_ns`: when the controller got it, by its clock.

    `one_way` says what its one-way delays are: ``absolute`` (within `clock_bound_ns`), ``relative``
    (no clock may be trusted: only the `relative_*` figures mean anything, delay above the least of
    the windows answered, skew removed) or ``none``.
    """

    stream_id: StreamIdText
    start_ns: int
    duration_ns: int
    received_ns: int
    plan_version: int
    protocol: Protocol
    asked: int
    not_sent: int
    loss_ratio: float | None
    one_way: Literal["absolute", "relative", "none"]
    relative_forward_p50_ns: float | None
    relative_forward_p95_ns: float | None
    relative_backward_p50_ns: float | None
    relative_backward_p95_ns: float | None
    timestamping: str
    suspect: bool
    flows: list[FlowDocument]


_PERCENTILES = (50, 95)
_SHOWN = tuple(value.name for value in measures.VALUES if value.shown)
_QUANTILES = tuple(
    f"{one.name}_p{percent}_ns" for one in measures.DISTRIBUTIONS for percent in _PERCENTILES
)
_MEASURED = [
    *((counter.name, int) for counter in measures.COUNTERS),
    *((name, float | None) for name in (*_SHOWN, *_QUANTILES)),
]
if TYPE_CHECKING:

    class WindowDocument(_Window, frozen=True, kw_only=True):
        """A window with its measures, which their declarations name."""

else:
    WindowDocument = msgspec.defstruct(
        "WindowDocument",
        _MEASURED,
        bases=(_Window,),
        frozen=True,
        kw_only=True,
        module=__name__,
        namespace={"__doc__": _Window.__doc__},
    )


class WindowPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of windows, oldest first."""

    items: list[WindowDocument]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was taken of a chunk: rows of `records`, under a version of the plan."""

    plan_version: int
    received_ns: int
    batch: WindowBatch
    records: list[StreamRecord]


def window_documents(
    archive: Archive, records: Sequence[StreamRecord], from_ns: int, to_ns: int, limit: int
) -> tuple[list[WindowDocument], int | None]:
    """Return the windows of some streams of one path, oldest first, and where to continue.

    About `limit` at most; windows of the same start are never torn apart. Blocks.
    """
    if not records or from_ns >= to_ns:
        return [], None
    intervals = max(1, limit // len(records))
    chunks, next_ns = archive.chunks_of(records[0].agent, from_ns, to_ns, intervals)
    by_id = {record.stream_id: record for record in records}
    ids = np.array(list(by_id), np.uint64)
    found: list[_Taken] = []
    for chunk, whole in readable_chunks(chunks):
        # Taken out: what an agent's other streams did would be many times the memory.
        batch = whole.take(np.flatnonzero(np.isin(whole.stream_id, ids)))
        if batch.rows:
            of_rows = [by_id[stream_id] for stream_id in batch.stream_id.tolist()]
            found.append(_Taken(chunk.plan_version, chunk.received_ns, batch, of_rows))
    return _documents(found), next_ns


def _documents(found: Sequence[_Taken]) -> list[WindowDocument]:
    if not found:
        return []
    batches = [one.batch for one in found]
    quantiles: dict[str, NDArray[np.float64]] = {}
    for one in measures.DISTRIBUTIONS:
        quantiles |= _quantiles(batches, one)
    for way, least in _least_lines_ns(batches).items():
        for percent in _PERCENTILES:
            quantiles[f"relative_{way}_p{percent}_ns"] = quantiles[f"{way}_p{percent}_ns"] - least
    rows = [(one, row) for one in found for row in range(len(one.records))]
    return [
        _document(one, row, {name: finite(column[i]) for name, column in quantiles.items()})
        for i, (one, row) in enumerate(rows)
    ]


def _joined(batches: Sequence[WindowBatch], measure: str) -> NDArray[np.float64]:
    return np.concatenate([batch.measures[measure] for batch in batches])


def _least_lines_ns(batches: Sequence[WindowBatch]) -> dict[str, NDArray[np.float64]]:
    """Return what is to be taken off one-way delays; NaN where clocks are trusted."""
    middle_s = np.concatenate(
        [np.full(one.rows, (one.start_ns + one.duration_ns / 2) / 1e9) for one in batches]
    )
    stream = np.concatenate([batch.stream_id for batch in batches])
    least_ns = {way: _joined(batches, f"{way}_min_ns") for way in ("forward", "backward")}
    free = np.isnan(_joined(batches, "clock_bound_ns"))
    lines = {way: np.full(len(stream), np.nan) for way in least_ns}
    for one in np.unique(stream[free]):
        rows = np.flatnonzero(free & (stream == one))
        rows = rows[np.argsort(middle_s[rows], kind="stable")]
        lines["forward"][rows], lines["backward"][rows] = least_lines_ns(
            middle_s[rows], least_ns["forward"][rows], least_ns["backward"][rows]
        )
    return lines


def _quantiles(
    batches: Sequence[WindowBatch], one: measures.Distribution
) -> dict[str, NDArray[np.float64]]:
    least, most = (f"{one.name}_{end}_ns" for end in ("min", "max"))
    return quantile_columns(
        one,
        _PERCENTILES,
        Histograms.stack([batch.distributions[one.name] for batch in batches]),
        {name: np.concatenate([each.counters[name] for each in batches]) for name in one.infinite},
        _joined(batches, least) if least in MEASURES else None,
        _joined(batches, most) if most in MEASURES else None,
    )


def _document(item: _Taken, row: int, quantiles: dict[str, float | None]) -> WindowDocument:
    batch, record = item.batch, item.records[row]
    counters = {name: int(batch.counters[name][row]) for name in COUNTERS}
    lost = sum(counters[name] for name in ("lost_forward", "lost_backward", "lost_unknown", "late"))
    known = counters["sent"] - counters["unread"]
    unsent = int(batch.not_sent()[row])
    shown = {name: finite(batch.measures[name][row]) for name in _SHOWN}
    figures: dict[str, Any] = {**counters, **shown, **quantiles}
    return WindowDocument(
        stream_id=str(record.stream_id),
        start_ns=batch.start_ns,
        duration_ns=batch.duration_ns,
        received_ns=item.received_ns,
        plan_version=item.plan_version,
        protocol=record.protocol,
        asked=counters["sent"] + unsent,
        not_sent=unsent,
        loss_ratio=lost / known if known else None,
        timestamping=TIMESTAMPING[batch.timestamping[row]],
        one_way=_one_way(batch, row),
        suspect=bool(batch.suspect[row]),
        flows=_flows(batch, row),
        **figures,
    )


def _one_way(batch: WindowBatch, row: int) -> Literal["absolute", "relative", "none"]:
    if np.isnan(batch.measures["forward_mean_ns"][row]):
        return "none"
    return "relative" if np.isnan(batch.measures["clock_bound_ns"][row]) else "absolute"


def _flows(batch: WindowBatch, row: int) -> list[FlowDocument]:
    flows = batch.flows
    return [
        FlowDocument(
            flow=int(flows.flow[i]),
            sent=int(flows.sent[i]),
            lost=int(flows.lost[i]),
            rtt_p50_ns=finite(flows.rtt_p50_ns[i]),
        )
        for i in range(int(flows.indptr[row]), int(flows.indptr[row + 1]))
    ]
