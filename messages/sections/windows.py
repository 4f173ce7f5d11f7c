"""The section of windows: what streams did over one interval, as packed columns.

What the counters, minima and flows of ordinary windows imply of one another is predicted and costs
nothing. Delays are kept to the whole nanosecond. Decoding checks every column's name, length and
range, and that what is counted fits together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from foundation.number_types import Count
from foundation.ragged import indptr_of, place_in_row
from messages.columns import (
    Budget,
    ColumnReader,
    ColumnWriter,
    Integers,
    OtherVersionError,
    WireColumn,
    malformed,
    read_struct,
    refuse_to_send,
    whole_ns,
)
from messages.sections.kind import Payload, SectionKind, Span
from messages.window_checks import contradiction_in
from probes import measures
from probes.histogram import EDGES_VERSION, TOP_BUCKET, Histograms, bucket_of
from probes.window import (
    COUNTERS,
    DISTRIBUTIONS,
    MEASURES,
    TIMESTAMPING,
    FlowColumns,
    WindowBatch,
    stack_windows,
)

MAX_CHUNK_ROWS = 20_000  # 1.2 MB on the wire, far below MAX_CHUNK_BYTES
_MAX_COUNT = (1 << 32) - 1
_FLOW_BYTES = 24  # of what is predicted of each flow

# How each measure is predicted from those before it: (plus, minus).
_PREDICTED = {value.name: value.predicted for value in measures.VALUES}


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    edges: Count
    columns: dict[str, WireColumn]


_DECODER = msgspec.msgpack.Decoder(_Wire)


class WindowsSection(SectionKind[WindowBatch]):
    """Windows, and the probes sent in them."""

    name = "windows"
    number = 1
    version = 1

    def span(self, content: WindowBatch) -> Span:
        """Return the interval."""
        return Span(content.start_ns, content.duration_ns)

    def count(self, content: WindowBatch) -> int:
        """Return how many windows."""
        return content.rows

    def probes(self, content: WindowBatch) -> int:
        """Return the probes sent in them."""
        return int(content.counters["sent"].sum())

    def gather(self, parts: Sequence[WindowBatch]) -> Iterator[WindowBatch]:
        """Yield the windows of `parts`, each stream at most once per batch."""
        fresh: list[WindowBatch] = []
        seen: set[int] = set()
        for part in parts:
            ids = part.stream_id.tolist()
            if seen.intersection(ids):  # a stream that was planned again within its window
                yield from _split(stack_windows(fresh))
                fresh, seen = [], set()
            fresh.append(part)
            seen.update(ids)
        yield from _split(stack_windows(fresh))

    def pack(self, content: WindowBatch) -> Payload:
        """Return the windows as columns. LocalProtocolError if what they count does not fit."""
        if wrong := contradiction_in(content):
            raise refuse_to_send(wrong.en)
        writer = ColumnWriter()
        _write_windows(writer, content)
        for name in DISTRIBUTIONS:
            first = _first_bucket(name, content.measures)
            write_histograms(writer, name, content.distributions[name], first)
        _write_flows(writer, content)
        wire = _Wire(edges=EDGES_VERSION, columns=writer.columns)
        expanded_bytes = writer.expanded_bytes + _FLOW_BYTES * len(content.flows.flow)
        return Payload(msgspec.msgpack.encode(wire), expanded_bytes)

    def unpack(self, octets: bytes, count: int, span: Span, budget: Budget) -> WindowBatch:
        """Return the windows."""
        wire = read_struct(_DECODER, octets)
        if wire.edges != EDGES_VERSION:
            raise OtherVersionError(
                f"The chunk has histogram edges {wire.edges}; this program reads {EDGES_VERSION}. "
                "Upgrade the older side.",
                f"数据块的直方图边界版本为 {wire.edges}；本程序支持 {EDGES_VERSION}。"
                "请升级较旧的一方。",
            )
        reader = ColumnReader(wire.columns, budget)
        batch = _read_batch(reader, count, span)
        reader.finish()
        if wrong := contradiction_in(batch):
            raise malformed(wrong.en, wrong.zh)
        return batch


WINDOWS = WindowsSection()


def _split(batch: WindowBatch) -> Iterator[WindowBatch]:
    if batch.rows <= MAX_CHUNK_ROWS:
        yield batch
        return
    for start in range(0, batch.rows, MAX_CHUNK_ROWS):
        yield batch.take(np.arange(start, min(start + MAX_CHUNK_ROWS, batch.rows)))


def _prediction(name: str, measures: dict[str, NDArray[np.float64]], rows: int) -> Integers:
    plus, minus = _PREDICTED[name]
    predicted = np.zeros(rows, np.int64)
    if plus is not None:
        predicted = predicted + whole_ns(measures[plus])
    if minus is not None:
        predicted = predicted - whole_ns(measures[minus])
    return predicted


def _absence(name: str, measures: dict[str, NDArray[np.float64]], rows: int) -> NDArray[np.bool_]:
    plus = _PREDICTED[name][0]
    return np.zeros(rows, np.bool_) if plus is None else np.isnan(measures[plus])


def _write_windows(writer: ColumnWriter, batch: WindowBatch) -> None:
    writer.integers("stream_id.first", batch.stream_id[:1])
    writer.integers("stream_id", np.diff(batch.stream_id.view(np.int64)))
    sent = writer.integers("sent", batch.counters["sent"])
    for name in COUNTERS[1:]:
        writer.integers(name, batch.counters[name], sent if name == "received" else 0)
    for name in MEASURES:
        predicted = _prediction(name, batch.measures, batch.rows)
        absent = _absence(name, batch.measures, batch.rows)
        writer.floats(name, batch.measures[name], predicted, absent)
    writer.integers("timestamping", batch.timestamping)
    writer.integers("suspect", batch.suspect)


def _read_batch(reader: ColumnReader, rows: int, span: Span) -> WindowBatch:
    first = reader.integers("stream_id.first", min(rows, 1))
    steps = reader.integers("stream_id", max(rows - 1, 0))
    stream_id = np.cumsum(np.concatenate([first, steps])).view(np.uint64)
    sent = reader.integers("sent", rows, low=0, high=_MAX_COUNT)
    counters = {"sent": sent.astype(np.uint32)}
    for name in COUNTERS[1:]:
        predicted = sent if name == "received" else 0
        values = reader.integers(name, rows, predicted, low=0, high=_MAX_COUNT)
        counters[name] = values.astype(np.uint32)
    measures: dict[str, NDArray[np.float64]] = {}
    for name in MEASURES:
        predicted = _prediction(name, measures, rows)
        measures[name] = reader.floats(name, predicted, _absence(name, measures, rows))
    timestamping = reader.integers("timestamping", rows, low=0, high=len(TIMESTAMPING) - 1)
    suspect = reader.integers("suspect", rows, low=0, high=1)
    return WindowBatch(
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        stream_id=stream_id,
        counters=counters,
        measures=measures,
        distributions={
            name: read_histograms(reader, name, _first_bucket(name, measures))
            for name in DISTRIBUTIONS
        },
        timestamping=timestamping.astype(np.uint8),
        suspect=suspect.astype(np.bool_),
        flows=_read_flows(reader, counters, measures),
    )


def _first_bucket(name: str, measures: dict[str, NDArray[np.float64]]) -> Integers:
    """Return the bucket of each window's minimum: a histogram begins with it."""
    minimum = measures.get(f"{name}_min_ns")
    if minimum is None:
        return np.zeros(len(measures["rtt_min_ns"]), np.int64)
    return bucket_of(whole_ns(minimum)).astype(np.int64)


def write_histograms(
    writer: ColumnWriter, name: str, histograms: Histograms, first: Integers
) -> None:
    """Add histograms as columns; `first` int64[n] predicts each row's first bucket."""
    lengths = writer.integers(f"{name}.buckets", np.diff(histograms.indptr))
    bucket = histograms.bucket.astype(np.int64)
    begins = histograms.indptr[:-1][lengths > 0]
    follows = np.ones(len(bucket), np.bool_)
    follows[begins] = False
    writer.integers(f"{name}.first", bucket[begins], first[lengths > 0])
    writer.integers(f"{name}.step", np.diff(bucket, prepend=0)[follows], 1)
    writer.integers(f"{name}.count", histograms.count, 1)


def read_histograms(
    reader: ColumnReader, name: str, first: Integers, most: int = _MAX_COUNT
) -> Histograms:
    """Return what `write_histograms` added, no count above `most`. Raises RemoteProtocolError."""
    lengths = reader.integers(f"{name}.buckets", len(first), low=0, high=2 * TOP_BUCKET + 1)
    indptr = indptr_of(lengths)
    entries = int(indptr[-1])
    filled = lengths > 0
    begins = indptr[:-1][filled]
    limit = TOP_BUCKET
    heads = reader.integers(f"{name}.first", len(begins), first[filled], low=-limit, high=limit)
    steps = reader.integers(f"{name}.step", entries - len(begins), 1, low=1, high=2 * limit)
    count = reader.integers(f"{name}.count", entries, 1, low=1, high=most)
    follows = np.ones(entries, np.bool_)
    follows[begins] = False
    climb = np.zeros(entries, np.int64)
    climb[follows] = steps
    total = np.cumsum(climb)
    bucket = total + np.repeat(heads - total[begins], lengths[filled])
    if entries and bucket.max() > limit:
        raise malformed("a histogram runs out of its buckets", "直方图超出桶的范围")
    return Histograms(indptr, bucket.astype(np.int16), count)


def _flow_predictions(
    indptr: Integers,
    counters: dict[str, NDArray[np.uint32]],
    measures: dict[str, NDArray[np.float64]],
) -> tuple[Integers, Integers, Integers]:
    """Return what the number, sent count and median of each flow most likely are."""
    lengths = np.diff(indptr)
    number = place_in_row(indptr)
    shared = np.repeat(counters["sent"].astype(np.int64) // np.maximum(lengths, 1), lengths)
    return number, shared, np.repeat(whole_ns(measures["rtt_mean_ns"]), lengths)


def _write_flows(writer: ColumnWriter, batch: WindowBatch) -> None:
    flows = batch.flows
    writer.integers("flows", np.diff(flows.indptr), 1)
    number, sent, median = _flow_predictions(flows.indptr, batch.counters, batch.measures)
    writer.integers("flow.number", flows.flow, number)
    writer.integers("flow.sent", flows.sent, sent)
    writer.integers("flow.lost", flows.lost)
    received = flows.lost < flows.sent
    writer.floats("flow.rtt_p50_ns", flows.rtt_p50_ns, median, ~received)


def _read_flows(
    reader: ColumnReader,
    counters: dict[str, NDArray[np.uint32]],
    measures: dict[str, NDArray[np.float64]],
) -> FlowColumns:
    lengths = reader.integers("flows", len(counters["sent"]), 1, low=0, high=4096)
    indptr = indptr_of(lengths)
    entries = int(indptr[-1])
    reader.budget.take(_FLOW_BYTES * entries)
    number, shared, median = _flow_predictions(indptr, counters, measures)
    flow = reader.integers("flow.number", entries, number, low=0, high=65_535)
    sent = reader.integers("flow.sent", entries, shared, low=0, high=_MAX_COUNT)
    lost = reader.integers("flow.lost", entries, low=0, high=_MAX_COUNT)
    if (lost > sent).any():
        raise malformed("a flow lost more than it sent", "某条流的丢失数大于发送数")
    return FlowColumns(
        indptr=indptr,
        flow=flow.astype(np.uint16),
        sent=sent.astype(np.uint32),
        lost=lost.astype(np.uint32),
        rtt_p50_ns=reader.floats("flow.rtt_p50_ns", median, ~(lost < sent)),
    )
