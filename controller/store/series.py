"""Figures over time, as the store gives them: the level that fits, windows or points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store.aggregate import aggregate_of, without_windows
from controller.store.levels import Level, LevelName
from controller.store.merging import merge
from controller.store.points import POINT, SUSPECT, points_of
from probes.sockets.records import records
from probes.window import WindowBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """m points of some streams, ordered by stream and time.

    stream_id uint64[m]; start_ns, duration_ns int64[m]; `points` m records of POINT. Of the levels
    above `window` there are only points whose interval is over and merged: seconds later for a
    minute, minutes later for an hour.
    """

    level: LevelName
    step_ns: int | None  # None: windows, as long as `duration_ns` says
    stream_id: NDArray[np.uint64]
    start_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    points: NDArray[Any]

    @property
    def suspect(self) -> NDArray[np.bool_]:
        """Whether all of a point was measured while the machine was starved, bool[m]."""
        answer: NDArray[np.bool_] = (self.points["state"] & SUSPECT) > 0
        return answer

    def lost(self) -> NDArray[np.int64]:
        """Return probes of no or late return, int64[m]."""
        names = ("lost_forward", "lost_backward", "lost_unknown", "late")
        total = np.zeros(len(self.points), np.int64)
        for name in names:
            total += self.points[name]
        return total


def series_of_windows(batches: Sequence[WindowBatch], stream_ids: Sequence[int]) -> Series:
    """Return every window of some streams as a point."""
    ids = np.array(sorted(stream_ids), np.uint64)
    aggregates, found, starts, durations, rows = [], [], [], [], 0
    for batch in batches:
        taken = np.flatnonzero(np.isin(batch.stream_id, ids))
        row = rows + np.arange(len(taken))
        aggregates.append(without_windows(aggregate_of(batch, taken, row)))
        found.append(batch.stream_id[taken])
        starts.append(np.full(len(taken), batch.start_ns, np.int64))
        durations.append(np.full(len(taken), batch.duration_ns, np.int64))
        rows += len(taken)
    if not rows:
        return _series(None, np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, POINT))
    points = points_of(merge(aggregates, rows))  # every window in its own row
    return _series(
        None,
        np.concatenate(found),
        np.concatenate(starts),
        points,
        np.concatenate(durations),
    )


def series_of_points(
    level: Level, aggregates: Sequence[tuple[int, NDArray[np.int64], NDArray[Any]]]
) -> Series:
    """Return points of a level, given as (stream id, start_ns, POINT) of each stream."""
    if not aggregates:
        return _series(level, np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, POINT))
    if len(aggregates) == 1:
        stream_id, start_ns, points = aggregates[0]
        return _series(level, np.full(len(start_ns), stream_id, np.uint64), start_ns, points)
    return _series(
        level,
        np.concatenate([np.full(len(start_ns), i, np.uint64) for i, start_ns, _ in aggregates]),
        np.concatenate([start_ns for _, start_ns, _ in aggregates]),
        np.frombuffer(b"".join([points.tobytes() for _, _, points in aggregates]), POINT),
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
