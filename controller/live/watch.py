"""Watches how agents, paths, streams and maintenances stand, and tells what changed.

Silence is said only by one who has listened: for the first minute of a controller's life nothing
falls silent, and what never spoke becomes an event only after two minutes. So a restart of the
controller is no event of the fleet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from controller.events.event_types import ENDED, AgentChanged, Change, PathChanged, StreamChanged
from controller.live.states import NEVER_SEEN, NO_DATA, SILENT, STATES
from controller.store.event_log import SubjectState

WatchedKind = Literal["agent", "path", "stream"]
LISTEN_NS = 60_000_000_000  # before silence can be told from our own absence
NEVER_NS = 120_000_000_000  # before what never spoke is an event


@dataclass(frozen=True, slots=True)
class Logged:
    """The states that were logged last of a list of subjects, and since when each stands.

    `shown` int8[n]: codes of STATES, -1 where nothing was logged yet; `since_ns` int64[n].
    """

    subjects: tuple[str, ...]
    shown: NDArray[np.int8]
    since_ns: NDArray[np.int64]


class Watch:
    """The shown state of a fixed list of subjects of one kind, by their places.

    `shown` and `since_ns` are replaced when something changes, and never change themselves.
    """

    def __init__(
        self, kind: WatchedKind, subjects: Sequence[str], known: Iterable[SubjectState], now_ns: int
    ) -> None:
        self.kind = kind
        self.subjects = tuple(subjects)
        self.shown = np.full(len(subjects), -1, np.int8)
        self.since_ns = np.full(len(subjects), now_ns, np.int64)
        place = {subject: i for i, subject in enumerate(subjects)}
        for state in known:
            at = place.get(state.subject) if state.kind == kind else None
            if at is not None and state.state in STATES:
                self.shown[at] = STATES.index(state.state)
                self.since_ns[at] = state.since_ns

    def now(self) -> Logged:
        """Return what was logged last."""
        return Logged(self.subjects, self.shown, self.since_ns)

    def moved_to(self, subjects: Sequence[str], now_ns: int) -> Watch:
        """Return a watch of another list, which continues from how its members stand here."""
        known = [
            SubjectState(kind=self.kind, subject=name, state=STATES[code], since_ns=since_ns)
            for name, code, since_ns in zip(
                self.subjects, self.shown.tolist(), self.since_ns.tolist(), strict=True
            )
            if code >= 0
        ]
        return Watch(self.kind, subjects, known, now_ns)

    def ended(self, subjects: Sequence[str], now_ns: int) -> list[Change]:
        """Return what to report about those that are not in another list: that they ended."""
        gone = set(self.subjects) - set(subjects)
        return [
            self._change(row, ENDED, now_ns)
            for row, name in enumerate(self.subjects)
            if name in gone and self.shown[row] >= 0
        ]

    def look(self, codes: NDArray[np.int8], now_ns: int, listened_ns: int) -> list[Change]:
        """Take in how the subjects are now; return what changed."""
        changed = codes != self.shown
        if listened_ns < LISTEN_NS:
            changed &= ~np.isin(codes, SILENT)
        if listened_ns < NEVER_NS:
            changed &= ~((self.shown < 0) & np.isin(codes, (NO_DATA, NEVER_SEEN)))
        rows = np.flatnonzero(changed).tolist()
        if not rows:
            return []
        changes = [self._change(row, STATES[codes[row]], now_ns) for row in rows]
        self.shown = np.where(changed, codes, self.shown)
        self.since_ns = np.where(changed, now_ns, self.since_ns)
        return changes

    def _change(self, row: int, state: str, now_ns: int) -> Change:
        subject, before = self.subjects[row], int(self.shown[row])
        previous = STATES[before] if before >= 0 else None
        since_ns = int(self.since_ns[row]) if before >= 0 else None
        if self.kind == "agent":
            changed: Callable[..., Change] = functools.partial(AgentChanged, agent=subject)
        elif self.kind == "path":
            changed = functools.partial(PathChanged, path=subject)
        else:
            changed = functools.partial(StreamChanged, stream_id=subject)
        return changed(at_ns=now_ns, state=state, previous=previous, previous_since_ns=since_ns)
