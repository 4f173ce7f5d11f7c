"""Windows of one interval gathered into as few chunks as the rules of chunks allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probes.histogram import Histograms
from probes.window import (
    COUNTERS,
    DISTRIBUTIONS,
    MEASURES,
    WindowBatch,
    stack_flows,
)

MAX_CHUNK_ROWS = 20_000  # 1.2 MB on the wire, far below MAX_CHUNK_BYTES


def chunks_of(parts: Sequence[WindowBatch]) -> Iterator[WindowBatch]:
    """Yield the windows of `parts`, all of one interval, each stream at most once per batch."""
    fresh: list[WindowBatch] = []
    seen: set[int] = set()
    for part in parts:
        ids = part.stream_id.tolist()
        if seen.intersection(ids):  # a stream that was planned anew within its window
            yield from _split(stack_windows(fresh))
            fresh, seen = [], set()
        fresh.append(part)
        seen.update(ids)
    yield from _split(stack_windows(fresh))


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
    return take_windows(whole, np.argsort(whole.stream_id, kind="stable"))


def take_windows(batch: WindowBatch, row: NDArray[np.int64]) -> WindowBatch:
    """Return the windows numbered by `row`, in that order."""
    return WindowBatch(
        start_ns=batch.start_ns,
        duration_ns=batch.duration_ns,
        stream_id=batch.stream_id[row],
        counters={name: column[row] for name, column in batch.counters.items()},
        measures={name: column[row] for name, column in batch.measures.items()},
        distributions={name: each.take(row) for name, each in batch.distributions.items()},
        timestamping=batch.timestamping[row],
        suspect=batch.suspect[row],
        flows=batch.flows.take(row),
    )


def _split(batch: WindowBatch) -> Iterator[WindowBatch]:
    if batch.rows <= MAX_CHUNK_ROWS:
        yield batch
        return
    for start in range(0, batch.rows, MAX_CHUNK_ROWS):
        yield take_windows(batch, np.arange(start, min(start + MAX_CHUNK_ROWS, batch.rows)))
