"""Prometheus metrics of the fleet and of each path."""

from __future__ import annotations

import asyncio

from aiohttp import web

from controller.api.routing import NoQuery, Route, query_of
from controller.api.services import SERVICES

TEXT_TYPES = ("text/plain", "application/openmetrics-text")


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics, in the format the scraper prefers."""
    from controller.api.metrics import exposition  # it reads what other routes say

    query_of(request, NoQuery)
    accept = request.headers.get("Accept", "")
    services = request.app[SERVICES]
    now, store = services.snapshots.now(), await asyncio.to_thread(services.store.state)
    most_paths = services.settings.metrics_paths
    body, content_type = await asyncio.to_thread(exposition, now, store, accept, most_paths)
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
