"""The audit log, for admins."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.access.audit_log import AuditEntry
from controller.api.http_answers import json_answer, read_cursor, write_cursor
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS
from foundation.number_types import LARGEST, Instant

_FOREVER = LARGEST


class AuditQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the log; newest first."""

    from_ns: Annotated[Instant, msgspec.Meta(description="Not older than this.")] = 0
    to_ns: Annotated[Instant, msgspec.Meta(description="Older than this.")] = _FOREVER


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the audit log, newest first."""

    items: list[AuditEntry]
    next: str | None = None


async def audit(request: web.Request) -> web.Response:
    """Return who changed what, when, and what came of it."""
    query, archive = query_of(request, AuditQuery), request.app[READINGS].archive
    found = await asyncio.to_thread(
        archive.audited,
        before_id=read_cursor(query.after, "a", _FOREVER),
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    cursor = write_cursor("a", page[-1].id) if len(found) > query.limit else None
    return json_answer(AuditPage(items=page, next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/audit",
        handler=audit,
        role="admin",
        summary="The audit log: every change, who made it, when, and its result.",
        answer=AuditPage,
        query=AuditQuery,
    ),
)
