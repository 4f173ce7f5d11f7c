"""What became of every probe that was due while the present verdicts were measured."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routes.verdicts import number_of
from controller.api.routing import PREFIX, Route, query_of
from controller.campaigns.load import MAX_JUDGED_WINDOWS
from controller.fleet.exclusions import Exclusions
from controller.live.accounts import AccountDocument, Tally
from controller.live.warm_start import batches_between
from controller.plans.planner import asked_since
from controller.state import STATE, ControllerState
from foundation.text import Text


class AccountQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which paths."""

    targets: Annotated[
        str | None, msgspec.Meta(description="Of paths bound by these targets, with commas.")
    ] = None


async def account(request: web.Request) -> web.Response:
    """Return what was due in the time that is judged, and what became of it."""
    query, state = query_of(request, AccountQuery), request.app[STATE]
    counted = _counted(state, query)
    latest, window_ns = state.live.latest, state.settings.window_ms * 1_000_000
    from_ns, to_ns = state.tallied_ns or (latest.data_from_ns, latest.data_to_ns)
    tally = state.tally
    if tally is None:
        windows = len(state.streams) * (to_ns - from_ns) // window_ns
        if windows > MAX_JUDGED_WINDOWS:
            raise _too_many(windows)
        async with state.tallying:  # one at a time: each reads the judged period from the store
            tally = await asyncio.to_thread(_tallied, state, from_ns, to_ns)
    return json_answer(tally.account(from_ns, to_ns, window_ns, counted))


def _tallied(state: ControllerState, from_ns: int, to_ns: int) -> Tally:
    streams = state.streams
    since_ns = asked_since(state.store, streams, state.plans, from_ns)
    tally = Tally(streams, Exclusions(state.maintenance.now, state.silences.now), since_ns=since_ns)
    agents = sorted({stream.path.source.site for stream in streams})
    for batch in batches_between(state.store, agents, from_ns, to_ns):
        tally.add(batch)
    return tally


def _counted(state: ControllerState, query: AccountQuery) -> NDArray[np.bool_]:
    """Return the streams of paths that a target binds; all where none is bound."""
    catalogue = state.catalogue
    wanted = np.ones(len(state.demands), np.bool_)
    if query.targets is not None:
        numbers = [
            number_of(catalogue.target_number, name, "target") for name in query.targets.split(",")
        ]
        wanted = np.isin(catalogue.demand_target, numbers)
    paths = catalogue.demand_path[wanted]
    if not len(paths):
        return np.ones(len(state.streams), np.bool_)
    bound: NDArray[np.bool_] = np.isin(catalogue.stream_path, paths)
    return bound


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
