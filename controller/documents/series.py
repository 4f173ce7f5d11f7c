"""Figures over time, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from controller.documents.values import Protocol, StreamIdText
from controller.store.points import POINT
from probes.window import known_outcomes

if TYPE_CHECKING:
    from controller.live.archive import Archive
    from controller.store.records import StreamRecord
    from controller.store.series import Series


class SeriesStream(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one stream, oldest first: every list is as long as `start_ns`.

    `suspect`: all of a point was measured while the machine was starved
    or its clock was stepped. In `columns` null is
    unknown; a quantile that falls among the lost is null too.
    """

    stream_id: StreamIdText
    protocol: Protocol
    type_p: str
    start_ns: list[int]
    duration_ns: list[int]
    suspect: list[bool]
    columns: dict[str, list[float | None]]


class SeriesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A path's figures from `from_ns` to `to_ns`; `step_ns` is null where points are windows."""

    path: str
    from_ns: int
    to_ns: int
    level: Literal["window", "minute", "hour", "day"]
    step_ns: int | None
    streams: list[SeriesStream]


COLUMNS = (*(name for name in POINT.names or () if name != "state"), "lost", "loss_ratio")


def read_series(
    archive: Archive,
    path: str,
    wanted: list[StreamRecord],
    columns: Sequence[str],
    from_ns: int,
    to_ns: int,
    *,
    step_ns: int | None,
    max_points: int | None,
) -> SeriesDocument:
    """Return `columns` of some streams of a path; the level is the store's choice. Blocks."""
    found = archive.series(
        wanted, from_ns, max(from_ns, to_ns), step_ns=step_ns, max_points=max_points
    )
    return SeriesDocument(
        path=path,
        from_ns=from_ns,
        to_ns=to_ns,
        level=found.level,
        step_ns=found.step_ns,
        streams=[_series_stream(found, record, columns) for record in wanted],
    )


def _series_stream(found: Series, record: StreamRecord, names: Sequence[str]) -> SeriesStream:
    mine = found.stream_id == np.uint64(record.stream_id)
    points, lost = found.points[mine], found.lost()[mine]
    columns: dict[str, list[float | None]] = {}
    for name in names:  # NaN and infinity become null when they are encoded
        if name == "lost":
            columns[name] = lost.tolist()
        elif name == "loss_ratio":
            with np.errstate(invalid="ignore", divide="ignore"):
                columns[name] = (lost / known_outcomes(points)).tolist()
        else:
            columns[name] = points[name].tolist()
    return SeriesStream(
        stream_id=str(record.stream_id),
        protocol=record.protocol,
        type_p=record.type_p,
        start_ns=found.start_ns[mine].tolist(),
        duration_ns=found.duration_ns[mine].tolist(),
        suspect=found.suspect[mine].tolist(),
        columns=columns,
    )
