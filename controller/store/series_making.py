"""Series made of decoded windows or of points: what every engine of the store shares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.levels import Level
from controller.store.merging import merge, part_of, without_windows
from controller.store.points import POINT, points_of
from controller.store.series import Series
from probes.sockets.records import records
from probes.window import WindowBatch


def series_of_windows(batches: Sequence[WindowBatch], stream_ids: Sequence[int]) -> Series:
    """Return every window of some streams as a point."""
    ids = np.array(sorted(stream_ids), np.uint64)
    parts, found, starts, durations, rows = [], [], [], [], 0
    for batch in batches:
        taken = np.flatnonzero(np.isin(batch.stream_id, ids))
        row = rows + np.arange(len(taken))
        parts.append(without_windows(part_of(batch, taken, row)))
        found.append(batch.stream_id[taken])
        starts.append(np.full(len(taken), batch.start_ns, np.int64))
        durations.append(np.full(len(taken), batch.duration_ns, np.int64))
        rows += len(taken)
    if not rows:
        return _series(None, np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, POINT))
    points = points_of(merge(parts, rows))  # every window in a row of its own
    return _series(
        None,
        np.concatenate(found),
        np.concatenate(starts),
        points,
        np.concatenate(durations),
    )


def series_of_points(
    level: Level, parts: Sequence[tuple[int, NDArray[np.int64], NDArray[Any]]]
) -> Series:
    """Return points of a level, given as (stream id, start_ns, POINT) of each stream."""
    if not parts:
        return _series(level, np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, POINT))
    if len(parts) == 1:
        stream_id, start_ns, points = parts[0]
        return _series(level, np.full(len(start_ns), stream_id, np.uint64), start_ns, points)
    return _series(
        level,
        np.concatenate([np.full(len(start_ns), i, np.uint64) for i, start_ns, _ in parts]),
        np.concatenate([start_ns for _, start_ns, _ in parts]),
        np.frombuffer(b"".join([points.tobytes() for _, _, points in parts]), POINT),
    )


def _series(
    level: Level | None,
    stream_id: NDArray[np.uint64],
    start_ns: NDArray[np.int64],
    points: NDArray[Any],
    duration_ns: NDArray[np.int64] | None = None,
) -> Series:
    """Put points in order."""
    if duration_ns is None:
        duration_ns = np.full(len(points), 0 if level is None else level.step_ns, np.int64)
    order = np.lexsort((start_ns, stream_id))
    if (order[1:] < order[:-1]).any():
        stream_id, start_ns = stream_id[order], start_ns[order]
        duration_ns, points = duration_ns[order], records(points, order)
    return Series(
        level="window" if level is None else level.name,
        step_ns=None if level is None else level.step_ns,
        stream_id=stream_id,
        start_ns=start_ns,
        duration_ns=duration_ns,
        points=points,
    )
