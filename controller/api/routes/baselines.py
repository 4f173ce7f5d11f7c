"""Sealed baseline periods: the list, and sealing one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer, page_of
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, body_of, query_of
from controller.api.services import READINGS, SERVICES, Services
from controller.documents.baselines import BaselineDocument, BaselinePage, baseline_document
from controller.live.sealed_baselines import SealRequest, opened, seal
from controller.store.readable import readable_chunks
from controller.store.records import BaselineRecord
from foundation.errors import ConfigError
from foundation.text import Text
from probes.window import WindowBatch


async def baselines(request: web.Request) -> web.Response:
    """Return the sealed baselines, oldest first."""
    query, readings = query_of(request, PageQuery), request.app[READINGS]
    records = await asyncio.to_thread(readings.archive.baselines)
    page, cursor = page_of(records, query.limit, query.after)
    used = readings.snapshots.now().baseline
    items = [baseline_document(opened(record), used) for record in page]
    return json_answer(BaselinePage(items=items, next=cursor))


async def seal_baseline(request: web.Request) -> web.Response:
    """Seal a period of the streams that improvement targets speak of, or of all if none does."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    asked = await body_of(request, SealRequest)
    try:
        record = await asyncio.to_thread(_seal, services, asked)
    except ConfigError as error:
        raise ApiError(422, "nothing_to_seal", error.text, **error.fields) from error
    if not await asyncio.wrap_future(services.store.baselines.put(record)):
        text = Text(
            f"A baseline named {asked.name} is sealed already; choose another name.",
            f"名为 {asked.name} 的基线已封存；请另取名称。",
        )
        raise ApiError(409, "already_sealed", text, name=asked.name)
    baseline = opened(record)
    services.rounds.live.improvements.use([record])
    return json_answer(baseline_document(baseline, services.rounds.live.improvements.baseline))


def _seal(services: Services, asked: SealRequest) -> BaselineRecord:
    streams = services.rounds.live.improvements.streams or services.rounds.scope.permanent
    versions = {name: plan.version for name, plan in services.distribution.plans.items()}
    return seal(asked, _batches(services, asked), streams, versions, services.clock.wall_ns())


def _batches(services: Services, asked: SealRequest) -> Iterator[WindowBatch]:
    for chunk, batch in readable_chunks(services.readings.archive.chunks_since(asked.from_ns)):
        if chunk.start_ns >= asked.to_ns:
            return  # they come oldest first
        yield batch


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/baselines",
        handler=baselines,
        role="viewer",
        summary="The sealed baseline periods.",
        answer=BaselinePage,
        query=PageQuery,
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/baselines",
        handler=seal_baseline,
        role="operator",
        summary="Seal a baseline period: name, from_ns, to_ns.",
        answer=BaselineDocument,
        request=SealRequest,
        errors=(400, 409, 413, 415, 422, 503),
    ),
)
