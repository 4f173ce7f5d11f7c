"""The OpenAPI document of this very server."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from controller.api.answers import json_answer
from controller.api.openapi import openapi_document
from controller.api.routing import PREFIX, SERVED, NoQuery, Route, query_of
from controller.settings import VERSION


async def openapi(request: web.Request) -> web.Response:
    """Return the document; it is made from the routes that are served."""
    query_of(request, NoQuery)
    return json_answer(openapi_document(request.app[SERVED], VERSION))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/openapi.json",
        handler=openapi,
        role="viewer",
        summary="This document.",
        answer=dict[str, Any],
    ),
)
