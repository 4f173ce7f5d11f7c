"""Chunks: the windows of one agent over one interval, as bytes to spool, send and store.

A chunk is a zstd frame with a checksum around one msgpack map: the header fields below and
`columns`, the packed columns of `messages.columns` by name. What the counters, minima and flows of
ordinary windows imply of one another is predicted and costs nothing. Delays are kept to the whole
nanosecond.

Decoding trusts nobody: the checksum is verified, sizes are limited before and while expanding,
every column's name, length and range is checked, what is counted must fit together, and whatever is
wrong raises RemoteProtocolError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from foundation.errors import RemoteProtocolError
from foundation.numbers import Count
from foundation.ragged import indptr_of, place_in_row
from messages.columns import (
    ColumnReader,
    ColumnWriter,
    Integers,
    WireColumn,
    malformed,
    refuse_to_send,
    whole_ns,
)
from messages.exchange import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_EXPANDED_BYTES,
    SCHEMA_VERSION,
    AgentName,
    BootId,
)
from messages.frame import seal, unseal
from messages.sound_windows import contradiction_in
from probes.histogram import EDGES_VERSION, TOP_BUCKET, Histograms, bucket_of
from probes.window import (
    COUNTERS,
    DISTRIBUTIONS,
    MEASURES,
    TIMESTAMPING,
    FlowColumns,
    WindowBatch,
)

MAX_ROWS = 1 << 18  # at 60 bytes a window this fills MAX_CHUNK_BYTES
_MAX_COUNT = (1 << 32) - 1

# How each measure is predicted from those before it: (plus, minus).
_PREDICTED: dict[str, tuple[str | None, str | None]] = {
    "rtt_mean_ns": ("rtt_min_ns", None),
    "rtt_max_ns": ("rtt_mean_ns", None),
    "forward_mean_ns": ("forward_min_ns", None),
    "forward_max_ns": ("forward_mean_ns", None),
    # forward + backward = round trip - residence, so the mean costs next to nothing
    "backward_min_ns": ("rtt_min_ns", "forward_min_ns"),
    "backward_mean_ns": ("rtt_mean_ns", "forward_mean_ns"),
    "backward_max_ns": ("backward_mean_ns", None),
    "send_lag_max_ns": ("send_lag_mean_ns", None),
}

Sequence = Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One agent's windows of one interval; known for ever by (agent, boot, sequence)."""

    agent: str
    boot: str
    sequence: int
    plan_version: int
    batch: WindowBatch


class OtherVersionError(RemoteProtocolError):
    """A sane chunk of another version: a later program may read it."""


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: Count
    edges: Count
    agent: AgentName
    boot: BootId
    sequence: Sequence
    plan_version: Sequence
    start_ns: Sequence
    duration_ns: Annotated[int, msgspec.Meta(gt=0, le=3_600_000_000_000)]
    rows: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)]
    columns: dict[str, WireColumn]


_DECODER = msgspec.msgpack.Decoder(_Wire)


def encode_chunk(
    batch: WindowBatch, *, agent: str, boot: str, sequence: int, plan_version: int
) -> bytes:
    """Return the bytes of a chunk.

    `boot` is 8 to 64 hexadecimal digits. LocalProtocolError if what a window counts does not fit
    together or the chunk would exceed MAX_CHUNK_BYTES.
    """
    if wrong := contradiction_in(batch):
        raise refuse_to_send(wrong.en)
    writer = ColumnWriter()
    _write_windows(writer, batch)
    for name in DISTRIBUTIONS:
        first = _first_bucket(name, batch.measures)
        write_histograms(writer, name, batch.distributions[name], first)
    _write_flows(writer, batch)
    wire = _Wire(
        schema=SCHEMA_VERSION,
        edges=EDGES_VERSION,
        agent=agent,
        boot=boot,
        sequence=sequence,
        plan_version=plan_version,
        start_ns=batch.start_ns,
        duration_ns=batch.duration_ns,
        rows=batch.rows,
        columns=writer.columns,
    )
    data = seal(msgspec.msgpack.encode(wire))
    expanded_bytes = writer.expanded_bytes + 24 * len(batch.flows.flow)
    if expanded_bytes > MAX_CHUNK_EXPANDED_BYTES or len(data) > MAX_CHUNK_BYTES:
        raise refuse_to_send(f"{batch.rows} windows are too many for one chunk")
    return data


def decode_chunk(data: bytes) -> Chunk:
    """Return the chunk in `data`; RemoteProtocolError on anything that is not a whole, sane one."""
    wire = _unwrap(data)
    if wire.schema != SCHEMA_VERSION or wire.edges != EDGES_VERSION:
        raise OtherVersionError(
            f"The chunk has schema {wire.schema} and histogram edges {wire.edges}; this program "
            f"reads schema {SCHEMA_VERSION} and edges {EDGES_VERSION}. Upgrade the older side.",
            f"数据块的格式版本为 {wire.schema}、直方图边界版本为 {wire.edges}；本程序支持 "
            f"{SCHEMA_VERSION} 和 {EDGES_VERSION}。请升级较旧的一方。",
        )
    reader = ColumnReader(wire.columns, MAX_CHUNK_EXPANDED_BYTES)
    batch = _read_batch(reader, wire)
    reader.finish()
    if wrong := contradiction_in(batch):
        raise malformed(wrong.en, wrong.zh)
    return Chunk(
        agent=wire.agent,
        boot=wire.boot,
        sequence=wire.sequence,
        plan_version=wire.plan_version,
        batch=batch,
    )


def is_whole(data: bytes) -> bool:
    """Whether the bytes of a chunk are those that were encoded: its checksum is right."""
    try:
        unseal(data, MAX_CHUNK_EXPANDED_BYTES)
    except RemoteProtocolError:
        return False
    return True


def _unwrap(data: bytes) -> _Wire:
    if len(data) > MAX_CHUNK_BYTES:
        raise malformed("it is larger than the limit", "超过大小上限")
    try:
        return _DECODER.decode(unseal(data, MAX_CHUNK_EXPANDED_BYTES))
    except (msgspec.MsgspecError, ValueError) as error:
        raise malformed(f"{error}", f"{error}") from error


def _prediction(name: str, measures: dict[str, NDArray[np.float64]], rows: int) -> Integers:
    plus, minus = _PREDICTED.get(name, (None, None))
    predicted = np.zeros(rows, np.int64)
    if plus is not None:
        predicted = predicted + whole_ns(measures[plus])
    if minus is not None:
        predicted = predicted - whole_ns(measures[minus])
    return predicted


def _absence(name: str, measures: dict[str, NDArray[np.float64]], rows: int) -> NDArray[np.bool_]:
    plus = _PREDICTED.get(name, (None, None))[0]
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


def _read_batch(reader: ColumnReader, wire: _Wire) -> WindowBatch:
    rows = wire.rows
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
        start_ns=wire.start_ns,
        duration_ns=wire.duration_ns,
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
    reader.reserve(24 * entries)
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
