"""Every event that there is, each its own type.

What is `logged` gets a number in the event log and is told to its listeners; what is `remembered`
is how its subject stands from then on, also after a restart.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller.store.event_log import EventKind, EventRecord, SubjectState

ENDED = "ended"  # of what left the plan: it is not watched any more, and not without data


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened at `at_ns`."""

    logged: ClassVar[bool] = False
    remembered: ClassVar[bool] = False

    at_ns: int


class Change(Event, frozen=True, kw_only=True):
    """A subject became `state`, and was `previous` before; None where nothing was known of it."""

    kind: ClassVar[EventKind]
    logged: ClassVar[bool] = True

    state: str
    previous: str | None = None
    previous_since_ns: int | None = None

    @property
    def subject(self) -> str:
        """What changed, by its name or number."""
        raise NotImplementedError

    def record(self) -> EventRecord:
        """Return the change as the log has it."""
        return EventRecord(
            at_ns=self.at_ns,
            kind=self.kind,
            subject=self.subject,
            state=self.state,
            previous=self.previous,
            previous_since_ns=self.previous_since_ns,
        )

    def kept_state(self) -> SubjectState:
        """Return how the subject stands from now on."""
        return SubjectState(
            kind=self.kind, subject=self.subject, state=self.state, since_ns=self.at_ns
        )


class AgentChanged(Change, frozen=True, kw_only=True):
    """An agent is heard, late, down, without data, in maintenance."""

    kind: ClassVar[EventKind] = "agent"
    remembered: ClassVar[bool] = True

    agent: str

    @property
    def subject(self) -> str:
        """The agent."""
        return self.agent


class DuplicateRefused(Change, frozen=True, kw_only=True):
    """Another agent of a name that is heard already was refused."""

    kind: ClassVar[EventKind] = "agent"

    agent: str
    state: str = "another_refused"

    @property
    def subject(self) -> str:
        """The agent whose name it has."""
        return self.agent


class PathChanged(Change, frozen=True, kw_only=True):
    """The state of a path changed."""

    kind: ClassVar[EventKind] = "path"
    remembered: ClassVar[bool] = True

    path: str

    @property
    def subject(self) -> str:
        """The path's id."""
        return self.path


class StreamChanged(Change, frozen=True, kw_only=True):
    """The state of a stream changed."""

    kind: ClassVar[EventKind] = "stream"
    remembered: ClassVar[bool] = True

    stream_id: str

    @property
    def subject(self) -> str:
        """The stream's id."""
        return self.stream_id


class VerdictChanged(Change, frozen=True, kw_only=True):
    """The verdict of a target on a path changed; it is shown since `since_ns`."""

    kind: ClassVar[EventKind] = "verdict"
    remembered: ClassVar[bool] = True

    path: str
    target: str
    since_ns: int

    @property
    def subject(self) -> str:
        """The path's id."""
        return self.path

    def record(self) -> EventRecord:
        """Return the change as the log has it."""
        return EventRecord(
            at_ns=self.at_ns,
            kind=self.kind,
            subject=self.path,
            target=self.target,
            state=self.state,
            previous=self.previous,
            previous_since_ns=self.previous_since_ns,
        )

    def kept_state(self) -> SubjectState:
        """Return how the verdict stands from now on."""
        return SubjectState(
            kind=self.kind,
            subject=self.path,
            target=self.target,
            state=self.state,
            since_ns=self.since_ns,
        )


class NothingMeasuredYet(VerdictChanged, frozen=True, kw_only=True):
    """There is no verdict yet: remembered, but no event of the network; that measuring began is."""

    logged: ClassVar[bool] = False


class MaintenanceChanged(Change, frozen=True, kw_only=True):
    """A maintenance was announced, began, ended or was cancelled."""

    kind: ClassVar[EventKind] = "maintenance"
    remembered: ClassVar[bool] = True

    maintenance: int

    @property
    def subject(self) -> str:
        """Its number."""
        return str(self.maintenance)


class CampaignChanged(Change, frozen=True, kw_only=True):
    """A campaign was created, began, ended or was cancelled."""

    kind: ClassVar[EventKind] = "campaign"

    campaign: str

    @property
    def subject(self) -> str:
        """Its name."""
        return self.campaign


class ControllerChanged(Change, frozen=True, kw_only=True):
    """A part of the controller fails, stands still, is doubted, or continues."""

    kind: ClassVar[EventKind] = "controller"

    part: str

    @property
    def subject(self) -> str:
        """The part."""
        return self.part


class PlanChanged(Event, frozen=True, kw_only=True):
    """An agent has a new plan."""

    agent: str
    version: int


class CredentialChanged(Event, frozen=True, kw_only=True):
    """An agent was enrolled, or its certificate renewed."""

    agent: str
    action: str


class RoundJudged(Event, frozen=True, kw_only=True):
    """A round of judging has ended, and its snapshot is the latest."""

    revision: int
