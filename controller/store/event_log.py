"""What happened and how everything stood last: the log that the API serves and streams.

One log for all: states of agents, paths and streams, verdicts, maintenance, campaigns.
A store keeps it behind `EventLog`; nothing in it is ever changed, only the oldest beyond a bound
forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

EventKind = Literal["agent", "path", "stream", "verdict", "maintenance", "campaign", "controller"]
SubjectKind = Literal["agent", "path", "stream"]  # whose state is watched
AgentState = Literal["ok", "late", "no_data", "agent_down", "never_seen", "maintenance"]
MAX_EVENTS = 1_000_000  # kept: some 100 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something became another. `id` is 0 until it is stored; ids grow with time, without gaps.

    `subject`: the agent, the path, the stream's or the maintenance's id, the campaign's name, a
    part of the controller; for a verdict the path, with `target`. `previous` is None where nothing
    was known before.
    """

    id: int = 0
    at_ns: int
    kind: EventKind
    subject: str
    target: str | None = None
    state: str
    previous: str | None
    previous_since_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectState:
    """How a subject stands and since when; `target` is empty for all but verdicts."""

    kind: EventKind
    subject: str
    target: str = ""
    state: str
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceRecord:
    """An announced time in which what is measured does not count, from_ns ≤ t < end_ns.

    It covers a path if each of `sites`, `carriers` and `paths` that is not empty names one of its
    ends (or it). `ended_ns` is when somebody cut it short; it is never removed.
    """

    id: int = 0
    from_ns: int
    to_ns: int
    sites: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    reason: str
    created_ns: int
    created_by: str
    ended_ns: int | None = None
    ended_by: str | None = None

    @property
    def end_ns(self) -> int:
        """When it ends, or ended."""
        return self.to_ns if self.ended_ns is None else min(self.to_ns, self.ended_ns)


class EventLog(Protocol):
    """The part of a store that keeps the log. Writes are answered after the commit."""

    def append(
        self, events: Sequence[EventRecord], states: Sequence[SubjectState] = ()
    ) -> Future[int]:
        """Add events and remember states, both or neither; the id of the first event (0: none)."""

    def events(
        self,
        *,
        kinds: Sequence[EventKind] = (),
        subject: str | None = None,
        target: str | None = None,
        state: str | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 1000,
    ) -> list[EventRecord]:
        """Return events with from_ns ≤ at_ns < to_ns, newest first (`after_id`: oldest)."""

    def states(self) -> list[SubjectState]:
        """Return how every subject stood last."""

    def put_maintenance(self, record: MaintenanceRecord) -> Future[int]:
        """Announce a maintenance; its id."""

    def end_maintenance(self, number: int, at_ns: int, by: str) -> Future[bool]:
        """Cut a maintenance short at `at_ns`: False where there is none that ends later."""

    def maintenance(self) -> list[MaintenanceRecord]:
        """Return every maintenance ever announced, oldest first."""
