"""The event log and the states that it left: what changed, and how everything stands."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated

import msgspec
import numpy as np
from aiohttp import web

from controller.api.answers import json_answer, read_cursor, write_cursor
from controller.api.event_stream import event_document
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.events import EventPage, StateDocument, StatePage
from controller.live.states import STATES, SubjectKind
from controller.live.watch import Logged
from controller.store.event_log import EventKind
from foundation.numbers import Instant

_NEWEST = (1 << 62) - 1


class EventQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    kind: Annotated[EventKind | None, msgspec.Meta(description="Of one kind.")] = None
    subject: Annotated[
        str | None, msgspec.Meta(description="Of one agent, path, stream, maintenance or campaign.")
    ] = None
    target: Annotated[str | None, msgspec.Meta(description="Verdicts of one target.")] = None
    state: Annotated[
        str | None, msgspec.Meta(description="That led to this state, verdict or phase.")
    ] = None
    from_ns: Annotated[Instant | None, msgspec.Meta(description="At or after this time.")] = None
    to_ns: Annotated[Instant | None, msgspec.Meta(description="Before this time.")] = None


class StateQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which states."""

    kind: Annotated[SubjectKind | None, msgspec.Meta(description="Of one kind.")] = None
    state: Annotated[str | None, msgspec.Meta(description="In this state alone.")] = None


async def event_log(request: web.Request) -> web.Response:
    """Return events, newest first; subjects of earlier site files may be asked for."""
    query, services = query_of(request, EventQuery), request.app[SERVICES]
    read = functools.partial(
        services.store.event_log.events,
        kinds=() if query.kind is None else (query.kind,),
        subject=query.subject,
        target=query.target,
        state=query.state,
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        before_id=read_cursor(query.after, "e", _NEWEST),
        limit=query.limit + 1,
    )
    found = await asyncio.to_thread(read)
    page, more = found[: query.limit], len(found) > query.limit
    cursor = write_cursor("e", page[-1].id) if more else None
    return json_answer(EventPage(items=[event_document(event) for event in page], next=cursor))


async def states(request: web.Request) -> web.Response:
    """Return how everything stands as the last round logged it."""
    query, now = query_of(request, StateQuery), request.app[SERVICES].snapshots.now()
    code = STATES.index(query.state) if query.state in STATES else None
    first = read_cursor(query.after, "s", 0)
    items: list[StateDocument] = []
    passed = 0  # a cursor is a place among all subjects: whoever changes state moves no other
    for kind, watch in now.logged.items():
        if query.kind in (None, kind):
            wanted = watch.shown >= 0
            if query.state is not None:
                wanted &= watch.shown == code
            rows = np.flatnonzero(wanted)
            rows = rows[rows >= first - passed][: query.limit + 1 - len(items)]
            items += [_document(kind, watch, row) for row in rows.tolist()]
            if len(items) > query.limit:
                cursor = write_cursor("s", passed + int(rows[-1]))
                return json_answer(
                    StatePage(looked_ns=now.looked_ns, items=items[:-1], next=cursor)
                )
        passed += len(watch.subjects)
    return json_answer(StatePage(looked_ns=now.looked_ns, items=items, next=None))


def _document(kind: SubjectKind, watch: Logged, row: int) -> StateDocument:
    return StateDocument(
        kind=kind,
        subject=watch.subjects[row],
        state=STATES[watch.shown[row]],
        since_ns=int(watch.since_ns[row]),
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/event-log",
        handler=event_log,
        role="viewer",
        summary="Every change of a state, a verdict, a maintenance or a campaign, newest first.",
        answer=EventPage,
        query=EventQuery,
        errors=(503,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/states",
        handler=states,
        role="viewer",
        summary="How agents, paths and streams stand, and since when.",
        answer=StatePage,
        query=StateQuery,
    ),
)
