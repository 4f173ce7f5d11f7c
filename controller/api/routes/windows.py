"""What was measured: windows, figures over time, and the account of every probe that was due."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer, read_cursor, write_cursor
from controller.api.lookup import number_of, recorded_on
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import READINGS
from controller.campaigns.load import MAX_JUDGED_WINDOWS
from controller.documents.series import COLUMNS, SeriesDocument, read_series
from controller.documents.values import Protocol
from controller.documents.windows import WindowPage, window_documents
from controller.live.account_document import AccountDocument
from foundation.number_types import Instant
from foundation.text import Text

DEFAULT_SPAN_NS = 3_600_000_000_000


class WindowQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which windows; without times those of the last hour."""

    path: Annotated[str, msgspec.Meta(description="Of this path.")]
    protocol: Annotated[Protocol | None, msgspec.Meta(description="Of this protocol alone.")] = None
    from_ns: Annotated[Instant | None, msgspec.Meta(description="First start, included.")] = None
    to_ns: Annotated[Instant | None, msgspec.Meta(description="Last start, excluded.")] = None


async def windows(request: web.Request) -> web.Response:
    """Return the windows of one path, oldest first."""
    query, readings = query_of(request, WindowQuery), request.app[READINGS]
    now = readings.snapshots.now()
    wanted = recorded_on(now, query.path, query.protocol)
    to_ns = query.to_ns if query.to_ns is not None else now.at_ns + 1
    from_ns = query.from_ns if query.from_ns is not None else max(0, to_ns - DEFAULT_SPAN_NS)
    from_ns = read_cursor(query.after, "w", from_ns)
    items, next_ns = await asyncio.to_thread(
        window_documents, readings.archive, wanted, from_ns, to_ns, query.limit
    )
    cursor = None if next_ns is None else write_cursor("w", next_ns)
    return json_answer(WindowPage(items=items, next=cursor))


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
    query, readings = query_of(request, SeriesQuery), request.app[READINGS]
    now = readings.snapshots.now()
    wanted = recorded_on(now, query.path, query.protocol)
    to_ns = query.to_ns if query.to_ns is not None else now.at_ns + 1
    from_ns = query.from_ns if query.from_ns is not None else max(0, to_ns - DEFAULT_SPAN_NS)
    step_ns = query.step_ns
    if step_ns is not None and (to_ns - from_ns) // max(step_ns, WINDOW_NS) > MAX_POINTS:
        raise ApiError(
            400,
            "too_many_points",
            Text(
                f"That is more than {MAX_POINTS} points of a stream; use a longer `step_ns`, or "
                f"query in parts.",
                f"每条测量流的数据点超过 {MAX_POINTS} 个；请加大 step_ns，或分段查询。",
            ),
        )
    document = await asyncio.to_thread(
        read_series,
        readings.archive,
        query.path,
        wanted,
        list(dict.fromkeys(query.columns.split(","))),
        from_ns,
        to_ns,
        step_ns=query.step_ns,
        max_points=query.max_points,
    )
    return json_answer(document)


class AccountQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which paths."""

    targets: Annotated[
        str | None, msgspec.Meta(description="Of paths bound by these targets, with commas.")
    ] = None


async def account(request: web.Request) -> web.Response:
    """Return what was due in the time that is judged, and what became of it."""
    query, readings = query_of(request, AccountQuery), request.app[READINGS]
    now = readings.snapshots.now()
    names = [] if query.targets is None else query.targets.split(",")
    for name in names:
        number_of(now.scope.catalogue.target_number, name, "target")
    from_ns, to_ns, window_ns = now.round.data_from_ns, now.round.data_to_ns, now.scope.window_ns
    windows = len(now.scope.streams) * (to_ns - from_ns) // window_ns
    if windows > MAX_JUDGED_WINDOWS:
        raise _too_many(windows)
    tally = await readings.accounts.tally(now)
    bound = now.scope.streams_bound_by(names)
    return json_answer(tally.account(from_ns, to_ns, window_ns, bound))


def _too_many(windows: int) -> ApiError:
    return ApiError(
        413,
        "too_many_windows",
        Text(
            f"{windows:,} windows are too many to count at once; at most {MAX_JUDGED_WINDOWS:,} "
            f"can be.",
            f"{windows:,} 个窗口过多，一次最多统计 {MAX_JUDGED_WINDOWS:,} 个。",
        ),
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/windows",
        handler=windows,
        role="viewer",
        summary="The series of windows of one path.",
        answer=WindowPage,
        query=WindowQuery,
        errors=(404, 503),
    ),
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
    Route(
        method="GET",
        path=f"{PREFIX}/account",
        handler=account,
        role="viewer",
        summary="Every probe that was due in the judged period: judged, or left out and why.",
        answer=AccountDocument,
        query=AccountQuery,
        errors=(404, 413),
    ),
)
