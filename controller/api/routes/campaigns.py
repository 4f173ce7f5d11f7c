"""Campaigns: create, try without creating, list, cancel, and the report each ends in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.campaign_requests import checked
from controller.api.error_answers import ApiError
from controller.api.gate import IDENTITY
from controller.api.http_answers import (
    download,
    json_answer,
    page_policy,
    read_cursor,
    write_cursor,
)
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, body_of, query_of
from controller.api.services import READINGS, SERVICES
from controller.campaigns.request import CampaignLoad, CampaignRequest, CampaignStateName
from controller.campaigns.scheduler import event_of
from controller.documents.campaign_schema import CampaignDocument, CampaignPage
from controller.documents.campaigns import campaign_document, no_report
from controller.store.records import CampaignRecord
from foundation.text import Text
from messages.frame import unseal

MOST_OPEN = 100  # campaigns that are not over
HTML = "text/html"
_MAX_PAGE_BYTES = 1 << 30


class CampaignQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which campaigns."""

    state: Annotated[CampaignStateName | None, msgspec.Meta(description="In this state alone.")] = (
        None
    )


async def campaigns(request: web.Request) -> web.Response:
    """Return the campaigns that are kept, oldest first."""
    query, now = query_of(request, CampaignQuery), request.app[READINGS].snapshots.now()
    first = read_cursor(query.after, "c", 0)
    wanted = [
        record
        for record in now.campaigns.values()
        if record.id >= first and query.state in (None, record.state)
    ]
    cursor = write_cursor("c", wanted[query.limit].id) if len(wanted) > query.limit else None
    items = [campaign_document(now, record) for record in wanted[: query.limit]]
    return json_answer(CampaignPage(items=items, next=cursor))


async def campaign(request: web.Request) -> web.Response:
    """Return one campaign."""
    query_of(request, NoQuery)
    now = request.app[READINGS].snapshots.now()
    return json_answer(campaign_document(now, _named(request, now.campaigns)))


async def try_campaign(request: web.Request) -> web.Response:
    """Return what a campaign would bring, without creating it."""
    query_of(request, NoQuery)
    asked, services = await body_of(request, CampaignRequest), request.app[SERVICES]
    found = await checked(asked, services.readings.snapshots.now(), services.campaigns)
    return json_answer(found.load)


async def create_campaign(request: web.Request) -> web.Response:
    """Create a campaign; it begins by itself when it is time."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    registry = services.campaigns
    body = await body_of(request, CampaignRequest)
    asked = await checked(body, services.readings.snapshots.now(), registry)
    async with registry.changing:
        if sum(not record.is_over for record in registry.records.values()) >= MOST_OPEN:
            text = Text(
                f"{MOST_OPEN} campaigns are scheduled or running already; cancel one, or wait.",
                f"已有 {MOST_OPEN} 个专项测量等待或进行中；请取消其中之一，或稍后再试。",
            )
            raise ApiError(409, "too_many_campaigns", text)
        now_ns = services.clock.wall_ns()
        record = CampaignRecord(
            name=asked.request.name,
            request=msgspec.json.encode(asked.request),
            from_ns=asked.from_ns,
            to_ns=asked.to_ns,
            created_ns=now_ns,
            created_by=str(request[IDENTITY]),
            streams=len(asked.streams),
        )
        number = await asyncio.wrap_future(services.store.campaigns.put(record))
        if not number:
            text = Text(
                f"There is or was a campaign named {record.name}; choose another name.",
                f"已有名为 {record.name} 的专项测量；请另取名称。",
            )
            raise ApiError(409, "name_in_use", text, name=record.name)
        record = replace(record, id=number)
        registry.use(await asyncio.to_thread(services.store.campaigns.records))
        services.bus.publish([event_of(record, None, now_ns)])
    registry.told.set()
    return json_answer(campaign_document(services.readings.snapshots.now(), record), 201)


async def cancel_campaign(request: web.Request) -> web.Response:
    """Cancel a campaign before it begins, or end it now; what it measured is reported."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    async with services.campaigns.changing:
        record = _named(request, services.campaigns.records)
        if record.is_over:
            text = Text(
                f"Campaign {record.name} is over already.", f"专项测量 {record.name} 已经结束。"
            )
            raise ApiError(409, "already_over", text, name=record.name)
        now_ns = services.clock.wall_ns()
        ended = replace(record, ended_ns=now_ns, ended_by=str(request[IDENTITY]))
        await services.scheduler.turn(record, ended)
    services.campaigns.told.set()
    now = services.readings.snapshots.now()
    return json_answer(campaign_document(now, _named(request, now.campaigns)))


async def campaign_report(request: web.Request) -> web.Response:
    """Return the report of a campaign, one HTML page."""
    query_of(request, NoQuery)
    readings = request.app[READINGS]
    now = readings.snapshots.now()
    record = _named(request, now.campaigns)
    page = await asyncio.to_thread(readings.archive.campaign_report, record.id)
    if page is None:
        raise ApiError(404, "no_report", no_report(now, record), name=record.name)
    text = await asyncio.to_thread(lambda: unseal(page, _MAX_PAGE_BYTES).decode())
    headers = {
        "Content-Security-Policy": page_policy(text),
        "Content-Disposition": download(f"{record.name}.html"),
    }
    return web.Response(text=text, content_type=HTML, charset="utf-8", headers=headers)


def _named(request: web.Request, records: Mapping[str, CampaignRecord]) -> CampaignRecord:
    name = request.match_info["campaign"]
    record = records.get(name)
    if record is None:
        text = Text(f"There is no campaign named {name}.", f"没有名为 {name} 的专项测量。")
        raise ApiError(404, "unknown_campaign", text, name=name)
    return record


_NAMED = f"{PREFIX}/campaigns/{{campaign}}"

ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/campaigns",
        handler=campaigns,
        role="viewer",
        summary="Every campaign that is kept, oldest first.",
        answer=CampaignPage,
        query=CampaignQuery,
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/campaigns",
        handler=create_campaign,
        role="operator",
        summary="Create a campaign: streams beside the permanent meshes, from when, how long.",
        answer=CampaignDocument,
        status=201,
        request=CampaignRequest,
        errors=(400, 409, 413, 422, 503),
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/campaign-load",
        handler=try_campaign,
        role="operator",
        summary="What a campaign would send, and whether it may, without creating it.",
        answer=CampaignLoad,
        request=CampaignRequest,
        errors=(400, 413, 422),
    ),
    Route(
        method="GET",
        path=_NAMED,
        handler=campaign,
        role="viewer",
        summary="One campaign.",
        answer=CampaignDocument,
        errors=(404,),
    ),
    Route(
        method="DELETE",
        path=_NAMED,
        handler=cancel_campaign,
        role="operator",
        summary="Cancel a campaign, or end it now; what it measured is reported.",
        answer=CampaignDocument,
        errors=(404, 409, 503),
    ),
    Route(
        method="GET",
        path=f"{_NAMED}/report",
        handler=campaign_report,
        role="viewer",
        summary="The report of a campaign, one HTML page.",
        answer=str,
        media=(HTML,),
        errors=(404, 503),
    ),
)
