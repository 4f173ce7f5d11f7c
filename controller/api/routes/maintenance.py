"""Maintenance: announce it, list it, cut it short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.gate import IDENTITY
from controller.api.http_answers import json_answer, read_cursor, write_cursor
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, body_of, query_of
from controller.api.services import READINGS, SERVICES, Services
from controller.documents.maintenance import (
    MaintenanceDocument,
    MaintenancePage,
    MaintenanceRequest,
    maintenance_document,
)
from controller.fleet.maintenance import phase
from controller.store.event_log import MaintenanceRecord
from foundation.text import Text

GRACE_NS = 60_000_000_000  # a caller's clock may be behind ours; nothing earlier can be announced
LONGEST_NS = 366 * 86_400_000_000_000


class MaintenanceQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which maintenances."""

    phase: Annotated[
        Literal["announced", "begun", "ended", "cancelled"] | None,
        msgspec.Meta(description="In this phase alone."),
    ] = None


async def maintenances(request: web.Request) -> web.Response:
    """Return every maintenance ever announced, oldest first."""
    query, now = query_of(request, MaintenanceQuery), request.app[READINGS].snapshots.now()
    first = read_cursor(query.after, "m", 0)
    wanted = [
        record
        for record in now.maintenance.records
        if query.phase in (None, phase(record, now.at_ns)) and record.id >= first
    ]
    cursor = write_cursor("m", wanted[query.limit].id) if len(wanted) > query.limit else None
    items = [maintenance_document(now, record) for record in wanted[: query.limit]]
    return json_answer(MaintenancePage(items=items, next=cursor))


async def announce(request: web.Request) -> web.Response:
    """Announce a maintenance. It cannot begin in the past: what was measured counts."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    asked = await body_of(request, MaintenanceRequest)
    now_ns = services.clock.wall_ns()
    from_ns = now_ns if asked.from_ns is None else asked.from_ns
    _check(services, asked, from_ns, now_ns)
    record = MaintenanceRecord(
        from_ns=max(from_ns, now_ns),
        to_ns=asked.to_ns,
        sites=asked.sites,
        carriers=asked.carriers,
        paths=asked.paths,
        reason=asked.reason,
        created_ns=now_ns,
        created_by=str(request[IDENTITY]),
    )
    number = await asyncio.wrap_future(services.store.event_log.put_maintenance(record))
    await _refresh(services, now_ns)
    now = services.readings.snapshots.now()
    return json_answer(maintenance_document(now, _numbered(services, number)), 201)


async def end(request: web.Request) -> web.Response:
    """Cancel a maintenance that has not begun, or end one that has. What was, stays."""
    query_of(request, NoQuery)
    services, name = request.app[SERVICES], request.match_info["number"]
    number = int(name) if name.isdecimal() and name.isascii() and len(name) < 19 else -1
    _numbered(services, number)
    now_ns = services.clock.wall_ns()
    ended = services.store.event_log.end_maintenance(number, now_ns, str(request[IDENTITY]))
    if not await asyncio.wrap_future(ended):
        text = Text(
            f"Maintenance {number} is over; the past cannot be changed.",
            f"编号为 {number} 的维护已结束，过去不能更改。",
        )
        raise ApiError(409, "already_over", text, id=number)
    await _refresh(services, now_ns)
    now = services.readings.snapshots.now()
    return json_answer(maintenance_document(now, _numbered(services, number)))


def _check(services: Services, asked: MaintenanceRequest, from_ns: int, now_ns: int) -> None:
    """Raise ApiError where the times or the names make no maintenance."""
    if from_ns < now_ns - GRACE_NS:
        text = Text(
            "Maintenance cannot begin in the past: what was measured before it was announced "
            "counts. Leave `from_ns` out to begin now.",
            "维护时段不能从过去开始：公告之前的测量数据均计入。省略 from_ns 即从现在开始。",
        )
        raise ApiError(422, "in_the_past", text, from_ns=from_ns)
    if not max(from_ns, now_ns) < asked.to_ns <= from_ns + LONGEST_NS:
        text = Text(
            "Maintenance must end after it begins, and within a year.",
            "维护时段的结束时间须晚于开始时间，且不超过一年。",
        )
        raise ApiError(422, "bad_period", text, from_ns=from_ns, to_ns=asked.to_ns)
    if not (asked.sites or asked.carriers or asked.paths):
        text = Text(
            "Name the sites, carriers or paths that the maintenance covers.",
            "请给出维护涉及的站点、运营商或路径。",
        )
        raise ApiError(422, "covers_nothing", text)
    catalogue = services.rounds.scope.catalogue
    carriers = {end.carrier for path in catalogue.paths for end in (path.source, path.destination)}
    for names, known, word in (
        (asked.sites, catalogue.site_number, Text("site", "站点")),
        (asked.carriers, carriers, Text("carrier", "运营商")),
        (asked.paths, catalogue.path_number, Text("path", "路径")),
    ):
        _check_names(names, known, word)


def _check_names(names: Iterable[str], known: Iterable[str], word: Text) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        text = Text(
            f"There is no {word.en} named {unknown[0]}.", f"没有名为 {unknown[0]} 的{word.zh}。"
        )
        raise ApiError(422, f"unknown_{word.en}", text, names=unknown[:10])


async def _refresh(services: Services, now_ns: int) -> None:
    """Take in what the store holds now, and log what came of it."""
    records = await asyncio.to_thread(services.store.event_log.maintenance)
    services.maintenance.use(records)
    services.bus.publish(services.maintenance.look(now_ns))


def _numbered(services: Services, number: int) -> MaintenanceRecord:
    for record in services.maintenance.now.records:
        if record.id == number:
            return record
    text = Text("There is no maintenance with this number.", "没有该编号的维护。")
    raise ApiError(404, "unknown_maintenance", text)


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/maintenance",
        handler=maintenances,
        role="viewer",
        summary="Every announced maintenance, oldest first.",
        answer=MaintenancePage,
        query=MaintenanceQuery,
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/maintenance",
        handler=announce,
        role="operator",
        summary="Announce a time in which what is measured does not count.",
        answer=MaintenanceDocument,
        status=201,
        request=MaintenanceRequest,
        errors=(400, 413, 422, 503),
    ),
    Route(
        method="DELETE",
        path=f"{PREFIX}/maintenance/{{number}}",
        handler=end,
        role="operator",
        summary="End a maintenance now, or cancel it before it begins; its past stays.",
        answer=MaintenanceDocument,
        errors=(404, 409, 503),
    ),
)
