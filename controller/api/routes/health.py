"""The controller itself: is it alive, how is it, its metrics and the description of its API."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer
from controller.api.openapi import openapi_document
from controller.api.routing import PREFIX, SERVED, NoQuery, Route, query_of
from controller.api.services import READINGS
from controller.documents.health import (
    MOST,
    Alive,
    ControllerHealth,
    Ready,
    health_document,
    reasons_not_ready,
)
from controller.live.snapshot import Snapshot
from controller.settings import VERSION
from controller.store.interface import StoreState
from foundation.text import Text

RETRY_S = 5


async def alive(request: web.Request) -> web.Response:
    """Answer as soon as the process answers."""
    query_of(request, NoQuery)
    return json_answer(Alive())


async def ready(request: web.Request) -> web.Response:
    """Answer whether windows are taken and judged; else 503 and which part is not."""
    query_of(request, NoQuery)
    now, store = await _now(request)
    reasons = reasons_not_ready(now, store)
    if reasons:
        skipped = sorted(now.operation.failing)
        names = ", ".join(reasons)
        text = Text(f"The controller is not ready: {names}.", f"控制器尚未就绪：{names}。")
        raise ApiError(
            503, "not_ready", text, retry_after_s=RETRY_S, reasons=reasons, skipped=skipped[:MOST]
        )
    return json_answer(Ready())


async def health(request: web.Request) -> web.Response:
    """Return the state of the controller."""
    query_of(request, NoQuery)
    return json_answer(health_document(*await _now(request)))


async def _now(request: web.Request) -> tuple[Snapshot, StoreState]:
    readings = request.app[READINGS]
    return readings.snapshots.now(), await asyncio.to_thread(readings.archive.state)


TEXT_TYPES = ("text/plain", "application/openmetrics-text")


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics, in the format the scraper prefers."""
    query_of(request, NoQuery)
    accept = request.headers.get("Accept", "")
    exposition = request.app[READINGS].exposition
    body, content_type = await asyncio.to_thread(exposition, *await _now(request), accept)
    answer = web.Response(body=body, headers={"Content-Type": content_type})
    answer.enable_compression()
    return answer


async def openapi(request: web.Request) -> web.Response:
    """Return the document; it is made from the routes that are served."""
    query_of(request, NoQuery)
    return json_answer(openapi_document(request.app[SERVED], VERSION))


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        handler=alive,
        role="anyone",
        summary="Whether the process answers.",
        answer=Alive,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=ready,
        role="anyone",
        summary="Whether the controller takes windows and judges them.",
        answer=Ready,
        errors=(503,),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/health",
        handler=health,
        role="viewer",
        summary="The state of the controller, its store, its ingest and its agents.",
        answer=ControllerHealth,
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        role="viewer",
        summary="Prometheus metrics of the fleet and of each path.",
        answer=str,
        media=TEXT_TYPES,
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/openapi.json",
        handler=openapi,
        role="viewer",
        summary="This document.",
        answer=dict[str, Any],
    ),
)
