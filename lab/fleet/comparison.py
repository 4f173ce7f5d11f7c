"""Puts what was measured and judged beside the truth, one row a demand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lab.fleet.expected import UNKNOWN, expected_verdict, truth_of
from lab.fleet.stored import StoredWindows
from lab.fleet.truth import PROTOCOLS, Probes
from topology.model import Demand, Path, PlannedStream

MEASURED_KINDS = ("delay", "loss", "delay_ratio", "variation")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table, and of the JSON file.

    `truth_ns`, `measured_ns` for delays, `truth_ratio`, `measured_ratio` for losses; null where
    unknown. `expected` is ``either`` where the truth does not decide; `correct` is then null.
    """

    path: str
    target: str
    truth_ns: float | None
    measured_ns: float | None
    verdict: str
    expected: str
    correct: bool | None
    unit: str
    limit: float | None
    truth_ratio: float | None = None
    measured_ratio: float | None = None
    statistic: str | None = None
    direction: str | None = None
    protocol: str | None = None
    truth_p50_ns: float | None = None
    measured_p50_ns: float | None = None
    probes: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """How the verdicts did against the truth, and the medians against the log's."""

    rows: int
    decided_by_truth: int
    correct: int
    wrong_passes: int
    wrong_fails: int
    undecided: int  # though the truth decides
    worst_p50_ns: float  # largest |measured - truth| of a round-trip median; NaN without any
    medians: int

    @property
    def wrong(self) -> int:
        """Verdicts that contradict the truth."""
        return self.wrong_passes + self.wrong_fails


class PathProbes:
    """The probes of the log, found by path and protocol."""

    def __init__(self, probes: Probes, addresses: Sequence[str]) -> None:
        self._number = {address: i for i, address in enumerate(addresses)}
        key = (probes.source << 16 | probes.destination) << 2 | probes.protocol
        order = np.argsort(key, kind="stable")
        self._probes, self._key = probes.take(order), key[order]

    def __len__(self) -> int:
        return len(self._key)

    def on(self, path: Path, protocol: str) -> Probes:
        """Return the probes sent on a path."""
        source = self._number[path.source.address]
        destination = self._number[path.destination.address]
        key = (source << 16 | destination) << 2 | PROTOCOLS.index(protocol)
        low, high = np.searchsorted(self._key, [key, key + 1])
        return self._probes.take(np.arange(low, high))


def stream_of(streams: Iterable[PlannedStream]) -> dict[tuple[str, str], int]:
    """Return the number of each stream by path and protocol; the first where there are several."""
    found: dict[tuple[str, str], int] = {}
    for stream in streams:
        found.setdefault((stream.path.id, stream.type_p.protocol), stream.stream_id)
    return found


def seen_of(streams: Iterable[PlannedStream], probes: PathProbes) -> list[tuple[list[int], int]]:
    """Return (streams of one path and protocol, how many probes the log has of them)."""
    alike: dict[tuple[Path, str], list[int]] = {}
    for stream in streams:
        alike.setdefault((stream.path, stream.type_p.protocol), []).append(stream.stream_id)
    return [(numbers, len(probes.on(*key))) for key, numbers in alike.items()]


def compare(
    demands: Sequence[Demand],
    verdicts: Iterable[Mapping[str, Any]],
    probes: PathProbes,
    windows: StoredWindows,
    streams: Mapping[tuple[str, str], int],
) -> list[Row]:
    """Return a row for every demand that is measured; `windows` are those that were judged.

    The truth is that of the probes in the windows which the verdict is based on: where the machine
    stood still for a part of a window, the emulator did, too, and the verdict leaves it out.
    """
    said = {(verdict["target"], verdict["path"]): verdict for verdict in verdicts}
    rows = []
    for demand in demands:
        if demand.target.kind in MEASURED_KINDS:
            verdict = said.get((demand.target.name, demand.path.id), {})
            rows.append(_row(demand, verdict, probes, windows, streams))
    return rows


def _row(
    demand: Demand,
    verdict: Mapping[str, Any],
    probes: PathProbes,
    windows: StoredWindows,
    streams: Mapping[tuple[str, str], int],
) -> Row:
    protocol = verdict.get("protocol") or _first_protocol(demand, streams)
    truth, truth_p50, measured_p50 = UNKNOWN, math.nan, math.nan
    if protocol is not None:
        own = windows.of(streams[demand.path.id, protocol])
        if len(own.start_ns):
            counted = own.counted()
            seen = probes.on(demand.path, protocol)
            seen = seen.take(counted.hold(seen.sent_ns))
            truth = truth_of(demand.target, seen)
            truth_p50, measured_p50 = _median(seen.rtt_ns), _median(counted.rtt_p50_ns)
    expected = expected_verdict(demand, truth)
    # What was found in these windows; what is shown may wait for a change to be confirmed.
    got = str(verdict.get("pending") or verdict.get("verdict", "no_data"))
    is_loss = demand.target.kind == "loss"
    value, figure = _known(truth.value), verdict.get("measured")
    return Row(
        path=demand.path.id,
        target=demand.target.name,
        truth_ns=None if is_loss else value,
        measured_ns=None if is_loss else figure,
        truth_ratio=value if is_loss else None,
        measured_ratio=figure if is_loss else None,
        verdict=got,
        expected=expected,
        correct=None if expected == "either" else got == expected,
        unit="ratio" if is_loss else "ns",
        limit=demand.limit_ratio if is_loss else demand.limit_ns,
        statistic=demand.target.statistic,
        direction=demand.target.direction,
        protocol=protocol,
        truth_p50_ns=_known(truth_p50),
        measured_p50_ns=_known(measured_p50),
        probes=truth.samples,
    )


def _first_protocol(demand: Demand, streams: Mapping[tuple[str, str], int]) -> str | None:
    return next((p for p in demand.target.protocols if (demand.path.id, p) in streams), None)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def _known(value: float) -> float | None:
    """Return the value for JSON: null where it is unknown or infinite."""
    return value if math.isfinite(value) else None


def summarise(rows: Sequence[Row]) -> Summary:
    """Count the verdicts against the truth."""
    decided = [row for row in rows if row.correct is not None]
    kinds = Counter((row.verdict, row.expected) for row in decided)
    gaps = {
        (row.path, row.protocol): abs(row.measured_p50_ns - row.truth_p50_ns)
        for row in rows
        if row.measured_p50_ns is not None and row.truth_p50_ns is not None
    }
    return Summary(
        rows=len(rows),
        decided_by_truth=len(decided),
        correct=sum(bool(row.correct) for row in decided),
        wrong_passes=sum(n for (got, want), n in kinds.items() if got == "pass" != want),
        wrong_fails=sum(n for (got, want), n in kinds.items() if got == "fail" != want),
        undecided=sum(
            n for (got, want), n in kinds.items() if got not in ("pass", "fail") and got != want
        ),
        worst_p50_ns=max(gaps.values(), default=math.nan),
        medians=len(gaps),
    )
