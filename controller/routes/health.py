"""Is it alive, and how is it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import get_args

from aiohttp import web

from controller.answers import json_answer
from controller.documents import AgentState, Alive, ControllerHealth, IngestHealth, StoreHealth
from controller.routing import PREFIX, STATE, NoQuery, Route, query_of
from controller.standing import agents_of
from controller.state import VERSION


async def alive(request: web.Request) -> web.Response:
    """Answer as soon as the process answers."""
    query_of(request, NoQuery)
    return json_answer(Alive())


async def health(request: web.Request) -> web.Response:
    """Return the state of the controller."""
    query_of(request, NoQuery)
    state = request.app[STATE]
    store = await asyncio.to_thread(state.store.state)
    latest = state.live.latest
    ingest = state.ingest
    return json_answer(
        ControllerHealth(
            version=VERSION,
            started_ns=state.started_ns,
            now_ns=state.clock.wall_ns(),
            revision=latest.revision,
            judged_ns=latest.judged_ns,
            judge_period_ms=state.settings.judge_period_ns // 1_000_000,
            store=StoreHealth(
                engine=store.engine,
                state=store.state,
                reason=store.reason,
                queued_writes=store.queued_writes,
                size_bytes=store.size_bytes,
                free_bytes=store.free_bytes,
            ),
            ingest=IngestHealth(
                chunks=ingest.chunks,
                windows=ingest.windows,
                duplicates=ingest.duplicates,
                bytes=ingest.bytes,
                refused=dict(ingest.refused),
            ),
            agents=_counts(agents_of(state.rounds.ground, state.clock.wall_ns())),
            warnings=tuple(state.network.warnings),
        )
    )


def _counts(agents: Mapping[str, AgentState]) -> dict[str, int]:
    """Return how many agents are in each state, states without agents too."""
    found = list(agents.values())
    return {state: found.count(state) for state in get_args(AgentState)}


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
        path=f"{PREFIX}/health",
        handler=health,
        role="viewer",
        summary="The state of the controller, its store, its ingest and its agents.",
        answer=ControllerHealth,
    ),
)
