"""What became of every probe that was due while the present verdicts were measured."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.api.services import SERVICES
from controller.campaigns.load import MAX_JUDGED_WINDOWS
from controller.live.accounts import AccountDocument
from foundation.text import Text


class AccountQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which paths."""

    targets: Annotated[
        str | None, msgspec.Meta(description="Of paths bound by these targets, with commas.")
    ] = None


async def account(request: web.Request) -> web.Response:
    """Return what was due in the time that is judged, and what became of it."""
    query, services = query_of(request, AccountQuery), request.app[SERVICES]
    now = services.snapshots.now()
    names = [] if query.targets is None else query.targets.split(",")
    for name in names:
        number_of(now.scope.catalogue.target_number, name, "target")
    from_ns, to_ns, window_ns = now.round.data_from_ns, now.round.data_to_ns, now.scope.window_ns
    windows = len(now.scope.streams) * (to_ns - from_ns) // window_ns
    if windows > MAX_JUDGED_WINDOWS:
        raise _too_many(windows)
    tally = await services.accounts.tally(now)
    bound = now.scope.streams_bound_by(names)
    return json_answer(tally.account(from_ns, to_ns, window_ns, bound))


def _too_many(windows: int) -> ApiError:
    return ApiError(
        413,
        "too_many_windows",
        Text(
            f"{windows:,} windows are too many to count at once; {MAX_JUDGED_WINDOWS:,} are not.",
            f"{windows:,} 个窗口过多，一次最多统计 {MAX_JUDGED_WINDOWS:,} 个。",
        ),
    )


ROUTES = (
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
