"""What an exported row is, declared once: names with their units, types and meanings.

docs/reference/export.md is the data dictionary that a test holds against this declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from controller.store.points import POINT, SUSPECT
from controller.store.records import StreamRecord
from foundation.text import Text, listed
from probes import measures
from probes.protocols.registry import protocol_names
from probes.window import COUNTERS, TIMESTAMPING, known_outcomes
from topology.model import Path

Kind = Literal["text", "id", "time", "integer", "number", "flag"]
_ENDS = {
    "min": "least",
    "mean": "mean of what returned",
    "max": "greatest",
    "p50": "median",
    "p95": "95th percentile",
    "p99": "99th percentile",
}


def _meaning(one: measures.Distribution, end: str) -> str:
    counted = ", lost probes counting as infinite" if one.infinite and end.startswith("p") else ""
    return f"{one.meaning}: {_ENDS[end]}{counted}"


_DELAYS = {
    f"{one.name}_{end}_ns": _meaning(one, end) for one in measures.DISTRIBUTIONS for end in _ENDS
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its unit is at the end of its name wherever it has one."""

    name: str
    kind: Kind
    meaning: str


def _columns() -> tuple[Column, ...]:
    texts = (
        ("agent", "Site of the agent that measured"),
        ("path", "Path: source interface > destination interface"),
        ("source_site", "Site at its beginning; empty if the site file names it no more"),
        ("source_carrier", "Carrier at its beginning"),
        ("destination_site", "Site at its end"),
        ("destination_carrier", "Carrier at its end"),
        ("protocol", listed([Text(name, name) for name in protocol_names()], "or").en),
        ("type_p", "Kind of packet (RFC 2330 §13)"),
        ("level", "window, minute, hour or day: what the row sums up"),
        ("timestamping", "Worst method of timestamps: none, user, kernel or hardware"),
    )
    return (
        *(Column(name=name, kind="text", meaning=meaning) for name, meaning in texts),
        Column(name="ip_version", kind="integer", meaning="4 or 6"),
        Column(name="stream_id", kind="id", meaning="The stream's number"),
        Column(name="start", kind="time", meaning="Begin, ISO 8601 in UTC with nanoseconds"),
        Column(name="start_ns", kind="integer", meaning="Begin, nanoseconds since 1970 UTC"),
        Column(name="duration_ns", kind="integer", meaning="Length of the interval"),
        Column(
            name="plan_version",
            kind="integer",
            meaning="Version of the agent's plan that it was measured by; empty for rollups",
        ),
        *(
            Column(name=f"{one.name}_probes", kind="integer", meaning=one.meaning)
            for one in measures.COUNTERS
        ),
        Column(
            name="loss_ratio",
            kind="number",
            meaning="Lost (late too) over sent less unread, 0 to 1",
        ),
        *(
            Column(name=name, kind="number", meaning=_DELAYS[name])
            for name in POINT.names or ()
            if name in _DELAYS
        ),
        *(
            Column(name=one.name, kind="number", meaning=one.meaning)
            for one in measures.VALUES
            if one.merged is not None
        ),
        Column(
            name="clock_bound_ns",
            kind="number",
            meaning="Bound on the error of one-way delays by both clocks; empty: not trusted",
        ),
        Column(
            name="suspect",
            kind="flag",
            meaning="Measured while the machine was starved or its clock was stepped",
        ),
    )


COLUMNS = _columns()
NAMES = tuple(column.name for column in COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Every stream by its number, and the paths of the site file by their names."""

    records: Mapping[int, StreamRecord]
    paths: Mapping[str, Path]
    _texts: dict[int, dict[str, Any]] = field(default_factory=dict)

    def texts_of(self, stream_id: int) -> dict[str, Any]:
        """Return what a stream's rows have in common; made once an export."""
        if stream_id not in self._texts:
            self._texts[stream_id] = self._made(stream_id)
        return self._texts[stream_id]

    def _made(self, stream_id: int) -> dict[str, Any]:
        record = self.records[stream_id]
        path = self.paths.get(record.path)
        ends = (None, None) if path is None else (path.source, path.destination)
        return {
            "agent": record.agent,
            "path": record.path,
            "source_site": ends[0] and ends[0].site,
            "source_carrier": ends[0] and ends[0].carrier,
            "destination_site": ends[1] and ends[1].site,
            "destination_carrier": ends[1] and ends[1].carrier,
            "ip_version": ends[0] and ends[0].ip_version,
            "protocol": record.protocol,
            "type_p": record.type_p,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """n rows before they are encoded: `points` POINT[n], the rest int64[n]; no plan: rollups."""

    level: str
    stream_id: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    duration_ns: NDArray[np.int64]
    points: NDArray[Any]
    plan_version: NDArray[np.int64] | None = None

    def columns(self, streams: Streams) -> dict[str, NDArray[Any]]:
        """Return the columns by NAMES, in their order; NaN or None is unknown."""
        count = len(self.points)
        ids, place = np.unique(self.stream_id, return_inverse=True)
        texts = [streams.texts_of(stream_id) for stream_id in ids.tolist()]
        found: dict[str, NDArray[Any]] = {
            name: _spread([text[name] for text in texts], place) for name in (texts or [{}])[0]
        }
        found["level"] = _spread([self.level], np.zeros(count, np.int64))
        found["timestamping"] = np.array(TIMESTAMPING, object)[self.points["timestamping"]]
        found["stream_id"] = self.stream_id
        found["start"] = self.start_ns.astype("datetime64[ns]")
        found["start_ns"], found["duration_ns"] = self.start_ns, self.duration_ns
        plan = self.plan_version
        found["plan_version"] = np.full(count, None, object) if plan is None else plan
        lost = np.zeros(count, np.int64)
        for name in COUNTERS:
            found[f"{name}_probes"] = self.points[name].astype(np.int64)
        for name in ("lost_forward", "lost_backward", "lost_unknown", "late"):
            lost += self.points[name]
        with np.errstate(invalid="ignore", divide="ignore"):
            found["loss_ratio"] = lost / known_outcomes(self.points)
        found["suspect"] = (self.points["state"] & SUSPECT) > 0
        for name in NAMES:
            if name not in found:
                value = self.points[name].astype(np.float64)
                found[name] = np.where(np.isfinite(value), value, np.nan)
        return {name: found[name] for name in NAMES}


def _spread(values: Sequence[Any], place: NDArray[np.int64]) -> NDArray[Any]:
    column = np.empty(len(values), object)
    column[:] = values
    return column[place]
