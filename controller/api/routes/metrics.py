"""Prometheus metrics of the fleet and of each path."""

from __future__ import annotations

import asyncio
import copy

from aiohttp import web

from controller.api.routing import NoQuery, Route, query_of
from controller.state import STATE

TEXT_TYPES = ("text/plain", "application/openmetrics-text")


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics, in the format the scraper prefers."""
    from controller.api.metrics import exposition  # it reads what other routes say

    query_of(request, NoQuery)
    accept = request.headers.get("Accept", "")
    state = copy.copy(
        request.app[STATE]
    )  # which a thread must not see change (controller.plans.replanning)
    body, content_type = await asyncio.to_thread(exposition, state, accept)
    answer = web.Response(body=body, headers={"Content-Type": content_type})
    answer.enable_compression()
    return answer


ROUTES = (
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        role="viewer",
        summary="Prometheus metrics of the fleet and of each path.",
        answer=str,
        media=TEXT_TYPES,
    ),
)
