"""The log of verdicts that changed."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated

import msgspec
from aiohttp import web

from controller.answers import json_answer, read_cursor, write_cursor
from controller.documents import ChangeDocument, ChangePage
from controller.routing import PREFIX, STATE, PageQuery, Route, query_of
from controller.store import VerdictChange

_NEWEST = 2**62  # above every id


class ChangeQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which changes."""

    target: Annotated[str | None, msgspec.Meta(description="Of one target.")] = None
    path: Annotated[str | None, msgspec.Meta(description="Of one path.")] = None
    from_ns: Annotated[int | None, msgspec.Meta(description="At or after this time.")] = None
    to_ns: Annotated[int | None, msgspec.Meta(description="Before this time.")] = None


async def changes(request: web.Request) -> web.Response:
    """Return changes, newest first. Targets and paths of earlier site files may be asked for."""
    query, state = query_of(request, ChangeQuery), request.app[STATE]
    read = functools.partial(
        state.store.verdict_changes,
        target=query.target,
        path=query.path,
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        before_id=read_cursor(query.after, "c", _NEWEST),
        limit=query.limit + 1,
    )
    found = await asyncio.to_thread(read)
    page, more = found[: query.limit], len(found) > query.limit
    cursor = write_cursor("c", page[-1].id) if more else None
    return json_answer(ChangePage(items=[_document(change) for change in page], next=cursor))


def _document(change: VerdictChange) -> ChangeDocument:
    return msgspec.convert(change, ChangeDocument, from_attributes=True)


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/changes",
        handler=changes,
        role="viewer",
        summary="The verdicts that changed, newest first.",
        answer=ChangePage,
        query=ChangeQuery,
    ),
)
