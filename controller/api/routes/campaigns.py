"""Campaigns: create, try without creating, list, cancel, and the report each ends in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.browser_rules import download, page_policy
from controller.api.error_answers import ApiError
from controller.api.gate import IDENTITY
from controller.api.http_answers import json_answer, read_cursor, write_cursor
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, body_of, query_of
from controller.api.services import SERVICES, Services
from controller.campaigns.load import load_of, note_beyond_budget, note_unjudgeable, too_few
from controller.campaigns.request import (
    CampaignLoad,
    CampaignRequest,
    CampaignStateName,
    note_if_nothing,
    note_unknown_zone,
    problems_of,
    streams_of,
)
from controller.campaigns.scheduler import event_of
from controller.documents.campaigns import CampaignDocument, CampaignPage, campaign_document
from controller.store.records import CampaignRecord
from foundation.errors import ConfigError
from foundation.text import Text
from messages.frame import unseal
from topology.mesh import united
from topology.model import PlannedStream
from topology.strict import Problems

GRACE_NS = 60_000_000_000  # a caller's clock may be behind ours
AHEAD_NS = 366 * 86_400_000_000_000
MOST_OPEN = 100  # campaigns that are not over
MOST_TOLD = 20  # problems of one request
HTML = "text/html"
_MAX_PAGE_BYTES = 1 << 30


class CampaignQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which campaigns."""

    state: Annotated[CampaignStateName | None, msgspec.Meta(description="In this state alone.")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ValidRequest:
    """A request that was found sound."""

    request: CampaignRequest
    from_ns: int
    to_ns: int
    streams: tuple[PlannedStream, ...]
    load: CampaignLoad


async def campaigns(request: web.Request) -> web.Response:
    """Return the campaigns that are kept, oldest first."""
    query, services = query_of(request, CampaignQuery), request.app[SERVICES]
    first = read_cursor(query.after, "c", 0)
    wanted = [
        record
        for record in services.campaigns.records.values()
        if record.id >= first and query.state in (None, record.state)
    ]
    cursor = write_cursor("c", wanted[query.limit].id) if len(wanted) > query.limit else None
    items = [_document(services, record) for record in wanted[: query.limit]]
    return json_answer(CampaignPage(items=items, next=cursor))


async def campaign(request: web.Request) -> web.Response:
    """Return one campaign."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    return json_answer(_document(services, _named(request, services)))


def _document(services: Services, record: CampaignRecord) -> CampaignDocument:
    streams: tuple[PlannedStream, ...] = ()
    if record.state == "running":
        streams = services.campaigns.streams_of(services.rounds.scope.network, record)
    return campaign_document(services.snapshots.now(), record, streams)


async def try_campaign(request: web.Request) -> web.Response:
    """Return what a campaign would bring, without creating it."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    return json_answer((await _checked(request, services)).load)


async def create_campaign(request: web.Request) -> web.Response:
    """Create a campaign; it begins by itself when it is time."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    registry = services.campaigns
    asked = await _checked(request, services)
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
    return json_answer(_document(services, record), 201)


async def cancel_campaign(request: web.Request) -> web.Response:
    """Cancel a campaign before it begins, or end it now; what it measured is reported."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    async with services.campaigns.changing:
        record = _named(request, services)
        if record.is_over:
            text = Text(
                f"Campaign {record.name} is over already.", f"专项测量 {record.name} 已经结束。"
            )
            raise ApiError(409, "already_over", text, name=record.name)
        now_ns = services.clock.wall_ns()
        ended = replace(record, ended_ns=now_ns, ended_by=str(request[IDENTITY]))
        await services.scheduler.turn(record, ended)
    services.campaigns.told.set()
    return json_answer(_document(services, _named(request, services)))


async def campaign_report(request: web.Request) -> web.Response:
    """Return the report of a campaign, one HTML page."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    record = _named(request, services)
    page = await asyncio.to_thread(services.store.campaigns.report, record.id)
    if page is None:
        raise ApiError(404, "no_report", _no_report(services, record), name=record.name)
    text = await asyncio.to_thread(lambda: unseal(page, _MAX_PAGE_BYTES).decode())
    headers = {
        "Content-Security-Policy": page_policy(text),
        "Content-Disposition": download(f"{record.name}.html"),
    }
    return web.Response(text=text, content_type=HTML, charset="utf-8", headers=headers)


def _no_report(services: Services, record: CampaignRecord) -> Text:
    name = record.name
    if record.is_over and record.begun_ns is None:
        return Text(
            f"Campaign {name} never began, so there is nothing to report.",
            f"专项测量 {name} 从未开始，没有可报告的内容。",
        )
    if record.reported_ns is not None:
        return Text(
            f"The report of campaign {name} is not kept any more.",
            f"专项测量 {name} 的报告已不再保留。",
        )
    if record.id in services.campaigns.unreportable:
        return Text(
            f"The report of campaign {name} could not be made; the controller's log says why.",
            f"未能生成专项测量 {name} 的报告，原因见控制器日志。",
        )
    return Text(
        f"Campaign {name} has no report yet: it is made some seconds after its last window.",
        f"专项测量 {name} 尚无报告：最后一个窗口到达后数秒内生成。",
    )


def _named(request: web.Request, services: Services) -> CampaignRecord:
    name = request.match_info["campaign"]
    record = services.campaigns.records.get(name)
    if record is None:
        text = Text(f"There is no campaign named {name}.", f"没有名为 {name} 的专项测量。")
        raise ApiError(404, "unknown_campaign", text, name=name)
    return record


async def _checked(request: web.Request, services: Services) -> _ValidRequest:
    """Return the request's campaign. Raises ApiError with every fault of it."""
    asked = await body_of(request, CampaignRequest)
    now_ns = services.clock.wall_ns()
    from_ns = now_ns if asked.begin_ns is None else asked.begin_ns
    if not now_ns - GRACE_NS <= from_ns <= now_ns + AHEAD_NS:
        text = Text(
            "A campaign begins now (leave `begin` out) or within a year, not in the past.",
            "专项测量应从现在（省略 begin）或一年之内开始，不能从过去开始。",
        )
        raise ApiError(422, "bad_period", text, begin_ns=asked.begin_ns)
    from_ns = max(from_ns, now_ns)
    to_ns = from_ns + round(asked.duration_s * 1e9)
    beside = [
        services.campaigns.streams_of(services.rounds.scope.network, record)
        for record in services.campaigns.overlapping(from_ns, to_ns)
    ]

    def plan() -> tuple[tuple[PlannedStream, ...], CampaignLoad]:
        problems = problems_of(services.rounds.scope.network, asked)
        note_unknown_zone(asked.time_zone, problems)
        _refuse(problems)
        streams = streams_of(services.rounds.scope.network, asked)
        before = united(services.rounds.scope.permanent, *beside)
        after = united(before, streams)
        note_if_nothing(streams, problems)
        note_beyond_budget(services.rounds.scope.network.budget, before, after, problems)
        note_unjudgeable(streams, asked.duration_s, services.settings.window_ms, problems)
        _refuse(problems)
        chosen = [
            t
            for t in services.rounds.scope.network.targets
            if not asked.targets or t.name in asked.targets
        ]
        notes = too_few(chosen, streams, asked.duration_s)
        return streams, msgspec.structs.replace(load_of(streams, before, after), notes=notes)

    async with services.campaigns.planning:  # one at a time: a large one takes a second
        streams, load = await asyncio.to_thread(_as_api_error, plan)
    return _ValidRequest(request=asked, from_ns=from_ns, to_ns=to_ns, streams=streams, load=load)


def _as_api_error(
    plan: Callable[[], tuple[tuple[PlannedStream, ...], CampaignLoad]],
) -> tuple[tuple[PlannedStream, ...], CampaignLoad]:
    try:
        return plan()
    except ConfigError as error:  # two streams of one number
        raise ApiError(422, "bad_campaign", error.text, **error.fields) from error


def _refuse(problems: Problems) -> None:
    """Raise ApiError where there are problems; its field `problems` has each with its key."""
    found = problems.found[:MOST_TOLD]
    if not found:
        return
    text = Text("; ".join(each.en for _, each in found), "；".join(each.zh for _, each in found))
    listed = [{"key": list(key), "message": each} for key, each in found]
    raise ApiError(422, "bad_campaign", text, problems=listed)


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
