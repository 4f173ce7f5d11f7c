"""Figures over time, in columns."""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.documents.words import Protocol, StreamIdText


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
