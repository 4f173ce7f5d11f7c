"""Events: the log of what changed, and what the event stream says."""

from __future__ import annotations

import msgspec

from controller.documents.values import EventKindName
from controller.store.event_log import SubjectKind
from foundation.number_types import RowNumber


class EventDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Something became another; `previous` is null where nothing was known before.

    `subject`: the agent, the path, the stream's or the maintenance's id, the campaign's name, a
    part of the controller; for a verdict the path, with `target` (else null).
    """

    id: RowNumber
    at_ns: int
    kind: EventKindName
    subject: str
    target: str | None
    state: str
    previous: str | None
    previous_since_ns: int | None


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first."""

    items: list[EventDocument]
    next: str | None = None


class StateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent, a path or a stream stands, and since when."""

    kind: SubjectKind
    subject: str
    state: str
    since_ns: int


class StatePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of states: agents, then paths, then streams, as they were at `looked_ns`."""

    looked_ns: int | None
    items: list[StateDocument]
    next: str | None = None


class VerdictsEvent(msgspec.Struct, frozen=True, kw_only=True, tag="verdicts", tag_field="type"):
    """Verdicts were rebuilt."""

    revision: int


class EventsMessage(msgspec.Struct, frozen=True, kw_only=True, tag="events", tag_field="type"):
    """Events as they were stored, in the order of their ids, all of one kind."""

    items: list[EventDocument]
