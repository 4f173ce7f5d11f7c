"""Blocks: what the streams of one agent did in one interval of a level, merged, as bytes.

The counterpart of `messages.chunk` for what was added up: counters and sums are whole numbers, so
that merging blocks gives exactly what merging their windows gives. Flows and the single windows
are not in it. Only this program writes blocks; one that cannot be read raises RemoteProtocolError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import (
    DELAYS,
    MERGED,
    Aggregate,
    WindowSeries,
    aggregate_of,
    without_windows,
)
from controller.store.merging import merge
from foundation.number_types import Count
from messages.chunk import MAX_ROWS
from messages.columns import (
    Budget,
    ColumnReader,
    ColumnWriter,
    Integers,
    WireColumn,
    malformed,
    whole_ns,
)
from messages.frame import seal, unseal
from messages.sections.windows import read_histograms, write_histograms
from probes.histogram import EDGES_VERSION, Histograms, bucket_of
from probes.sockets.records import distinct
from probes.window import COUNTERS, DISTRIBUTIONS, TIMESTAMPING, WindowBatch

SCHEMA = 1 + 1
MAX_EXPANDED_BYTES = 1 << 30
# A window counts up to 2^32 - 1 (messages.chunk), so that only 2^31 of them could exceed this.
_MAX_COUNT = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """n streams over one interval: `stream_id` uint64[n] ascending, `aggregate` with those rows."""

    stream_id: NDArray[np.uint64]
    aggregate: Aggregate


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: Count
    edges: Count
    rows: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)]
    columns: dict[str, WireColumn]


_DECODER = msgspec.msgpack.Decoder(_Wire)


def block_of(batches: Sequence[WindowBatch]) -> Block:
    """Merge the windows of one agent."""
    stream_id = distinct(np.concatenate([batch.stream_id for batch in batches]))
    aggregates = [
        without_windows(
            aggregate_of(batch, np.arange(batch.rows), np.searchsorted(stream_id, batch.stream_id))
        )
        for batch in batches
    ]
    return Block(stream_id=stream_id, aggregate=merge(aggregates, len(stream_id)))


def joined(blocks: Sequence[Block]) -> Block:
    """Merge blocks, of any intervals, into one; the same as merging all their windows."""
    stream_id = distinct(np.concatenate([block.stream_id for block in blocks]))
    aggregates = [
        replace(block.aggregate, row=np.searchsorted(stream_id, block.stream_id))
        for block in blocks
    ]
    return Block(stream_id=stream_id, aggregate=merge(aggregates, len(stream_id)))


def encode_block(block: Block, start_ns: int) -> bytes:
    """Return a block of the interval that begins at `start_ns` as bytes."""
    aggregate, writer = block.aggregate, ColumnWriter()
    writer.integers("stream_id.first", block.stream_id[:1])
    writer.integers("stream_id", np.diff(block.stream_id.view(np.int64)))
    sent = writer.integers("sent", aggregate.counters["sent"])
    for name in COUNTERS[1:]:
        writer.integers(name, aggregate.counters[name], sent if name == "received" else 0)
    for delay in DELAYS:
        least_ns, absent = aggregate.least_ns[delay], np.isnan(aggregate.least_ns[delay])
        writer.floats(f"{delay}_min", least_ns, np.zeros(len(sent), np.int64), absent & False)
        writer.floats(f"{delay}_max", aggregate.most_ns[delay], whole_ns(least_ns), absent)
    for name in DISTRIBUTIONS:
        write_histograms(
            writer, name, aggregate.distributions[name], _first_bucket(name, aggregate.least_ns)
        )
    for delay in DELAYS:
        predicted = _likely_total(aggregate.least_ns[delay], aggregate.distributions[delay])
        absent = np.isnan(aggregate.least_ns[delay])
        writer.floats(f"{delay}_total", aggregate.total_ns[delay], predicted, absent)
    none = np.zeros(len(sent), np.int64)
    for name in MERGED:
        writer.floats(name, aggregate.values[name], none, np.zeros(len(sent), np.bool_))
    writer.floats("clock_bound", aggregate.clock_bound_ns, none, np.zeros(len(sent), np.bool_))
    writer.integers("timestamping", aggregate.timestamping)
    writer.integers("suspect", aggregate.suspect)
    writer.integers("end", aggregate.end_ns, start_ns)
    writer.integers("counted_end", aggregate.counted_end_ns, aggregate.end_ns)
    wire = _Wire(schema=SCHEMA, edges=EDGES_VERSION, rows=len(sent), columns=writer.columns)
    return seal(msgspec.msgpack.encode(wire))


def decode_block(data: bytes, start_ns: int) -> Block:
    """Return the block in `data`. Raises RemoteProtocolError if it is damaged."""
    wire = _unwrap(data)
    rows, reader = wire.rows, ColumnReader(wire.columns, Budget(MAX_EXPANDED_BYTES))
    first = reader.integers("stream_id.first", min(rows, 1))
    steps = reader.integers("stream_id", max(rows - 1, 0))
    sent = reader.integers("sent", rows)
    counters = {"sent": sent}
    for name in COUNTERS[1:]:
        counters[name] = reader.integers(name, rows, sent if name == "received" else 0)
    none, certain = np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    least_ns, most_ns, total_ns = {}, {}, {}
    for delay in DELAYS:
        least_ns[delay] = reader.floats(f"{delay}_min", none, certain)
        predicted = whole_ns(least_ns[delay])
        most_ns[delay] = reader.floats(f"{delay}_max", predicted, np.isnan(least_ns[delay]))
    distributions = {
        name: read_histograms(reader, name, _first_bucket(name, least_ns), _MAX_COUNT)
        for name in DISTRIBUTIONS
    }
    for delay in DELAYS:
        predicted = _likely_total(least_ns[delay], distributions[delay])
        total_ns[delay] = reader.floats(f"{delay}_total", predicted, np.isnan(least_ns[delay]))
    end_ns = reader.integers("end", rows, start_ns)
    aggregate = Aggregate(
        row=np.arange(rows),
        counters=counters,
        total_ns=total_ns,
        least_ns=least_ns,
        most_ns=most_ns,
        distributions=distributions,
        values={name: reader.floats(name, none, certain) for name in MERGED},
        clock_bound_ns=reader.floats("clock_bound", none, certain),
        timestamping=reader.integers(
            "timestamping", rows, low=0, high=len(TIMESTAMPING) - 1
        ).astype(np.uint8),
        suspect=reader.integers("suspect", rows, low=0, high=1).astype(np.bool_),
        end_ns=end_ns,
        counted_end_ns=reader.integers("counted_end", rows, end_ns),
        windows=WindowSeries.empty(rows),
    )
    reader.finish()
    stream_id = np.cumsum(np.concatenate([first, steps])).view(np.uint64)
    return Block(stream_id=stream_id, aggregate=aggregate)


def _unwrap(data: bytes) -> _Wire:
    try:
        wire = _DECODER.decode(unseal(data, MAX_EXPANDED_BYTES))
    except (msgspec.MsgspecError, ValueError) as error:
        raise malformed(f"{error}", f"{error}") from error
    if wire.schema != SCHEMA or wire.edges != EDGES_VERSION:
        raise malformed("it is of another version", "版本不符")
    return wire


def _first_bucket(name: str, least_ns: dict[str, NDArray[np.float64]]) -> Integers:
    """Return the bucket of each row's minimum, with which its histogram begins."""
    known = least_ns.get(name)
    if known is None:
        return np.zeros(len(least_ns["rtt"]), np.int64)
    return bucket_of(whole_ns(known)).astype(np.int64)


def _likely_total(least_ns: NDArray[np.float64], histograms: Histograms) -> Integers:
    """Return what a sum of delays is at least: so many times the minimum."""
    answer: Integers = whole_ns(least_ns) * histograms.totals()
    return answer
