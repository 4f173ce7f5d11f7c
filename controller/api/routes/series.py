"""Figures of one path over any time, at the resolution that fits."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.windows import DEFAULT_SPAN_NS, records_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES
from controller.documents.series import COLUMNS, SeriesDocument, read_series
from controller.documents.words import Protocol
from foundation.numbers import Instant
from foundation.text import Text

MAX_POINTS = 50_000  # of one stream; 30 days by the minute are 43,200
WINDOW_NS = 10_000_000_000
_DEFAULT = (
    "sent,lost,rtt_min_ns,rtt_p50_ns,rtt_p95_ns,rtt_max_ns,forward_p50_ns,forward_p95_ns,"
    "backward_p50_ns,backward_p95_ns"
)
_NAME = f"({'|'.join(COLUMNS)})"


class SeriesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which figures; without times those of the last hour."""

    path: Annotated[str, msgspec.Meta(description="Of this path.")]
    protocol: Annotated[Protocol | None, msgspec.Meta(description="Of this protocol alone.")] = None
    from_ns: Annotated[Instant | None, msgspec.Meta(description="First start, included.")] = None
    to_ns: Annotated[Instant | None, msgspec.Meta(description="Last start, excluded.")] = None
    step_ns: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=(1 << 62))] | None,
        msgspec.Meta(description="The coarsest level with points no longer than this."),
    ] = None
    max_points: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=MAX_POINTS)] | None,
        msgspec.Meta(description="The finest level with no more points of a stream than this."),
    ] = None
    columns: Annotated[
        str,
        msgspec.Meta(
            pattern=f"^{_NAME}(,{_NAME})*$", description="Names of columns, joined by commas."
        ),
    ] = _DEFAULT


async def series(request: web.Request) -> web.Response:
    """Return the figures of one path's streams. The level is the store's choice, and is said."""
    query, services = query_of(request, SeriesQuery), request.app[SERVICES]
    wanted = records_of(services, query.path, query.protocol)
    to_ns = query.to_ns if query.to_ns is not None else services.clock.wall_ns() + 1
    from_ns = query.from_ns if query.from_ns is not None else max(0, to_ns - DEFAULT_SPAN_NS)
    step_ns = query.step_ns
    if step_ns is not None and (to_ns - from_ns) // max(step_ns, WINDOW_NS) > MAX_POINTS:
        raise ApiError(
            400,
            "too_many_points",
            Text(
                f"That is more than {MAX_POINTS} points of a stream; take a longer `step_ns`, or "
                "ask for part after part.",
                f"每条测量流的数据点超过 {MAX_POINTS} 个；请加大 step_ns，或分段查询。",
            ),
        )
    document = await asyncio.to_thread(
        read_series,
        services.store,
        query.path,
        wanted,
        list(dict.fromkeys(query.columns.split(","))),
        from_ns,
        to_ns,
        step_ns=query.step_ns,
        max_points=query.max_points,
    )
    return json_answer(document)


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/series",
        handler=series,
        role="viewer",
        summary="Figures of one path over time, at the resolution that fits.",
        answer=SeriesDocument,
        query=SeriesQuery,
        errors=(404, 503),
    ),
)
