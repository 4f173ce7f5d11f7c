"""Maintenance: announced times in which what is measured does not count.

It is announced before it begins and can only be cut short, so nobody can take a bad hour out of
the figures afterwards. Windows that touch it are stored like all others; they are not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from controller.events.event_types import MaintenanceChanged
from controller.store.event_log import MaintenanceRecord, SubjectState
from topology.model import Path

Phase = Literal["announced", "begun", "ended", "cancelled"]
PHASES: tuple[Phase, ...] = get_args(Phase)
Flags = NDArray[np.bool_]


def phase(record: MaintenanceRecord, now_ns: int) -> Phase:
    """Return where a maintenance is in its life."""
    if record.ended_ns is not None and record.ended_ns <= record.from_ns:
        return "cancelled"
    if now_ns < record.from_ns:
        return "announced"
    return "begun" if now_ns < record.end_ns else "ended"


class PathIndex:
    """The paths of a plan by the names of their ends, numbered as in the catalogue.

    Never changes; whom a maintenance covers is remembered as it is found.
    """

    def __init__(self, paths: Sequence[Path], stream_path: NDArray[np.int64]) -> None:
        self.stream_path = stream_path
        self._path_number = {path.id: number for number, path in enumerate(paths)}
        ends = [(path.source, path.destination) for path in paths]
        self._sites, self._site_number = _numbered([[e.site for e in pair] for pair in ends])
        self._carriers, self._carrier_number = _numbered(
            [[e.carrier for e in pair] for pair in ends]
        )
        self._covered: dict[int, Flags] = {}

    @property
    def paths(self) -> int:
        """How many."""
        return len(self._sites)

    def covers(self, record: MaintenanceRecord) -> Flags:
        """Return which paths a maintenance covers: each list that is not empty must name it."""
        covered = _named(self._sites, self._site_number, record.sites)
        covered &= _named(self._carriers, self._carrier_number, record.carriers)
        if record.paths:
            named = np.zeros(len(covered), np.bool_)
            named[[self._path_number[p] for p in record.paths if p in self._path_number]] = True
            covered &= named
        return covered

    def known(self, record: MaintenanceRecord) -> Flags:
        """Return whom a maintenance that is or was just in force covers; found once."""
        if record.id not in self._covered:
            self._covered[record.id] = self.covers(record)
        return self._covered[record.id]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Every maintenance as it was known at one moment; paths are numbered as in `index`."""

    records: tuple[MaintenanceRecord, ...]
    index: PathIndex

    def over(self, index: PathIndex) -> Maintenance:
        """Return the same maintenances over other paths and streams."""
        return Maintenance(self.records, index)

    def paths_covered(self, record: MaintenanceRecord) -> int:
        """Return how many paths a maintenance covers."""
        return int(self.index.covers(record).sum())

    def paths_at(self, now_ns: int) -> Flags:
        """Return which paths are in maintenance at `now_ns`."""
        return self._during(now_ns, now_ns + 1)

    def streams_during(self, start_ns: int, end_ns: int) -> Flags | None:
        """Return whose windows [start_ns, end_ns) do not count; None where all of them do."""
        if not any(_touches(record, start_ns, end_ns) for record in self.records):
            return None
        return self._during(start_ns, end_ns)[self.index.stream_path]

    def sites_at(self, now_ns: int) -> set[str]:
        """Return the sites that are in maintenance as a whole at `now_ns`."""
        return {
            site
            for record in self.records
            if not record.carriers and not record.paths and _touches(record, now_ns, now_ns + 1)
            for site in record.sites
        }

    def ended_ns(self, now_ns: int, since_ns: int) -> NDArray[np.int64]:
        """Return when each path's last maintenance ended, if between the two; else 0."""
        ended = np.zeros(self.index.paths, np.int64)
        for record in self.records:
            if since_ns <= record.end_ns <= now_ns and record.end_ns > record.from_ns:
                np.maximum(ended, record.end_ns, out=ended, where=self.index.known(record))
        return ended

    def _during(self, start_ns: int, end_ns: int) -> Flags:
        found = np.zeros(self.index.paths, np.bool_)
        for record in self.records:
            if _touches(record, start_ns, end_ns):
                found |= self.index.known(record)
        return found


class MaintenanceSchedule:
    """Keeps every maintenance, and which of their phases were told. On the event loop alone.

    `now` is replaced whenever one is announced or cut short, and never changes itself.
    """

    def __init__(self, records: Sequence[MaintenanceRecord], index: PathIndex) -> None:
        self.now = Maintenance(tuple(records), index)
        self._phases: dict[int, tuple[Phase, int]] = {}

    def use(self, records: Sequence[MaintenanceRecord]) -> None:
        """Take these for all that there are; whom one covers never changes."""
        self.now = replace(self.now, records=tuple(records))

    def use_paths(self, index: PathIndex) -> None:
        """Number paths and streams by another plan from now on."""
        self.now = self.now.over(index)

    def remember(self, known: Iterable[SubjectState]) -> None:
        """Go on from the phases that were logged last."""
        phases: dict[str, Phase] = {name: name for name in PHASES}
        for state in known:
            if state.kind == "maintenance" and state.state in phases:
                self._phases[int(state.subject)] = (phases[state.state], state.since_ns)

    def look(self, now_ns: int) -> list[MaintenanceChanged]:
        """Return what was announced, began, ended or was cancelled since last asked."""
        changes = []
        for record in self.now.records:
            now, before = phase(record, now_ns), self._phases.get(record.id)
            if before is not None and before[0] == now:
                continue
            self._phases[record.id] = (now, now_ns)
            changes.append(
                MaintenanceChanged(
                    at_ns=now_ns,
                    maintenance=record.id,
                    state=now,
                    previous=None if before is None else before[0],
                    previous_since_ns=None if before is None else before[1],
                )
            )
        return changes


def _touches(record: MaintenanceRecord, start_ns: int, end_ns: int) -> bool:
    return record.from_ns < end_ns and start_ns < record.end_ns


def _numbered(pairs: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the two names of each path's ends as numbers, int64[p, 2], and each name's number."""
    number = {name: i for i, name in enumerate(dict.fromkeys(n for pair in pairs for n in pair))}
    columns = [[number[name] for name in pair] for pair in pairs]
    return np.array(columns, np.int64).reshape(-1, 2), number


def _named(ends: NDArray[np.int64], number: dict[str, int], names: Sequence[str]) -> Flags:
    """Return which paths have an end of one of these names; all where no name is given."""
    if not names:
        return np.ones(len(ends), np.bool_)
    named = np.isin(ends, [number[name] for name in names if name in number])
    return named[:, 0] | named[:, 1]
