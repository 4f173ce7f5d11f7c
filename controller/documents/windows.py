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
from controller.store.quantiles import quantiles_ns
from controller.store.readable import readable_chunks
from probes import measures
from probes.histogram import Histograms
from probes.window import COUNTERS, TIMESTAMPING

if TYPE_CHECKING:
    from controller.store.interface import Store, StreamRecord
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
    rtt_p50_ns: float | None
    rtt_p95_ns: float | None
    forward_p50_ns: float | None
    forward_p95_ns: float | None
    backward_p50_ns: float | None
    backward_p95_ns: float | None
    one_way: Literal["absolute", "relative", "none"]
    relative_forward_p50_ns: float | None
    relative_forward_p95_ns: float | None
    relative_backward_p50_ns: float | None
    relative_backward_p95_ns: float | None
    timestamping: str
    suspect: bool
    flows: list[FlowDocument]


_MEASURED = [
    *((counter.name, int) for counter in measures.COUNTERS),
    *((value.name, float | None) for value in measures.VALUES if value.shown),
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


_SHOWN = tuple(value.name for value in measures.VALUES if value.shown)


@dataclass(frozen=True, slots=True)
class _Found:
    """Row `row` of what was taken of a chunk: of stream `record` under a version of the plan."""

    plan_version: int
    received_ns: int
    batch: WindowBatch
    row: int
    record: StreamRecord


def window_documents(
    store: Store, records: Sequence[StreamRecord], from_ns: int, to_ns: int, limit: int
) -> tuple[list[WindowDocument], int | None]:
    """Return the windows of some streams of one path, oldest first, and where to go on.

    About `limit` at most; windows of the same start are never torn apart. Blocks.
    """
    if not records or from_ns >= to_ns:
        return [], None
    intervals = max(1, limit // len(records))
    chunks, next_ns = store.windows.chunks_of(records[0].agent, from_ns, to_ns, intervals)
    by_id = {record.stream_id: record for record in records}
    ids = np.array(list(by_id), np.uint64)
    found: list[_Found] = []
    for chunk, whole in readable_chunks(chunks):
        # Taken out: what an agent's other streams did would be many times the memory.
        batch = whole.take(np.flatnonzero(np.isin(whole.stream_id, ids)))
        found.extend(
            _Found(chunk.plan_version, chunk.received_ns, batch, row, by_id[stream_id])
            for row, stream_id in enumerate(batch.stream_id.tolist())
        )
    return _documents(found), next_ns


def _documents(found: Sequence[_Found]) -> list[WindowDocument]:
    quantiles = {
        **_quantiles(found, "rtt", ("forward", "backward", "unknown")),
        **_quantiles(found, "forward", ("forward", "unknown")),
        **_quantiles(found, "backward", ("backward", "unknown")),
    }
    for way, least in _least_lines_ns(found).items():
        for level in ("p50", "p95"):
            quantiles[f"relative_{way}_{level}_ns"] = quantiles[f"{way}_{level}_ns"] - least
    return [
        _document(item, {name: finite(column[i]) for name, column in quantiles.items()})
        for i, item in enumerate(found)
    ]


def _least_lines_ns(found: Sequence[_Found]) -> dict[str, NDArray[np.float64]]:
    """Return what is to be taken off one-way delays; NaN where clocks are trusted."""
    middle_s = np.array([(f.batch.start_ns + f.batch.duration_ns / 2) / 1e9 for f in found])
    stream = np.array([f.record.stream_id for f in found], np.uint64)
    columns = {
        name: np.array([f.batch.measures[name][f.row] for f in found], np.float64)
        for name in ("forward_min_ns", "backward_min_ns", "clock_bound_ns")
    }
    lines = {way: np.full(len(found), np.nan) for way in ("forward", "backward")}
    free = np.isnan(columns["clock_bound_ns"])
    for one in np.unique(stream[free]):
        rows = np.flatnonzero(free & (stream == one))
        rows = rows[np.argsort(middle_s[rows], kind="stable")]
        lines["forward"][rows], lines["backward"][rows] = least_lines_ns(
            middle_s[rows], columns["forward_min_ns"][rows], columns["backward_min_ns"][rows]
        )
    return lines


def _quantiles(
    found: Sequence[_Found], delay: str, losses: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    histograms = Histograms.stack(
        [item.batch.distributions[delay].take(np.array([item.row])) for item in found]
    )
    counters = [f"lost_{loss}" for loss in losses] + (["late"] if "unknown" in losses else [])
    lost = np.array(
        [sum(int(item.batch.counters[name][item.row]) for name in counters) for item in found],
        np.int64,
    )
    if delay != "rtt":  # a stream that measures no one-way delays has none, lost probes or not
        lost = np.where(histograms.totals() > 0, lost, 0)
    least_ns, most_ns = (
        np.array([item.batch.measures[f"{delay}_{end}_ns"][item.row] for item in found], np.float64)
        for end in ("min", "max")
    )
    p50, p95 = quantiles_ns(histograms, (0.5, 0.95), lost, least_ns, most_ns)
    return {f"{delay}_p50_ns": p50, f"{delay}_p95_ns": p95}


def _document(item: _Found, quantiles: dict[str, float | None]) -> WindowDocument:
    batch, row = item.batch, item.row
    counters = {name: int(batch.counters[name][row]) for name in COUNTERS}
    lost = sum(counters[name] for name in ("lost_forward", "lost_backward", "lost_unknown", "late"))
    known = counters["sent"] - counters["unread"]
    unsent = int(batch.not_sent()[row])
    shown = {name: finite(batch.measures[name][row]) for name in _SHOWN}
    figures: dict[str, Any] = {**counters, **shown, **quantiles}
    return WindowDocument(
        stream_id=str(item.record.stream_id),
        start_ns=batch.start_ns,
        duration_ns=batch.duration_ns,
        received_ns=item.received_ns,
        plan_version=item.plan_version,
        protocol=item.record.protocol,
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
