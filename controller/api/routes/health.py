"""Is it alive, and how is it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import get_args

import numpy as np
from aiohttp import web

from controller.api.answers import json_answer
from controller.api.errors import ApiError
from controller.api.routing import PREFIX, NoQuery, Route, query_of
from controller.documents.ages import age_ms
from controller.documents.health import Alive, ControllerHealth, IngestHealth, Ready, StoreHealth
from controller.fleet.agents import AgentState
from controller.live.rounds import JUDGING
from controller.state import STATE, VERSION, ControllerState
from foundation.text import MAX_SENTENCE, Text
from messages.sections.windows import WINDOWS

RETRY_S = 5
MOST = 100  # of what is skipped, told by name


async def alive(request: web.Request) -> web.Response:
    """Answer as soon as the process answers."""
    query_of(request, NoQuery)
    return json_answer(Alive())


async def ready(request: web.Request) -> web.Response:
    """Answer whether windows are taken and judged; else 503 and which part is not."""
    query_of(request, NoQuery)
    state = request.app[STATE]
    store = await asyncio.to_thread(state.store.state)
    reasons = [] if store.state == "ok" else [f"store_{store.state}"]
    still = state.watchdog.stalled()
    if state.live.latest.judged_ns is None and JUDGING not in still:
        reasons.append("not_judged_yet")
    reasons += [f"{loop}_late" for loop in still]
    skipped = sorted(state.watchdog.failing())
    reasons += sorted({f"{part.partition('/')[0]}_failing" for part in skipped})
    if reasons:
        names = ", ".join(reasons)
        text = Text(f"The controller is not ready: {names}.", f"控制器尚未就绪：{names}。")
        raise ApiError(
            503, "not_ready", text, retry_after_s=RETRY_S, reasons=reasons, skipped=skipped[:MOST]
        )
    return json_answer(Ready())


async def health(request: web.Request) -> web.Response:
    """Return the state of the controller."""
    query_of(request, NoQuery)
    state = request.app[STATE]
    store = await asyncio.to_thread(state.store.state)
    latest, now_ns = state.live.latest, state.clock.wall_ns()
    ingest = state.ingest
    return json_answer(
        ControllerHealth(
            version=VERSION,
            started_ns=state.started_ns,
            now_ns=now_ns,
            revision=latest.revision,
            judged_ns=latest.judged_ns,
            judged_age_ms=age_ms(latest.judged_ns, now_ns),
            judge_period_ms=state.settings.judge_period_ns // 1_000_000,
            data_from_ns=latest.data_from_ns or None,
            data_to_ns=latest.data_to_ns or None,
            demands=latest.judgements.rows,
            stale=int(np.count_nonzero(latest.stale)),
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
                windows=ingest.results[WINDOWS.name],
                results=dict(ingest.results),
                duplicates=ingest.duplicates,
                bytes=ingest.bytes,
                refused=dict(ingest.refused + state.gate.refused),
            ),
            agents=_counts(state.snapshot().agent_states()),
            campaigns=state.snapshot().campaign_counts(),
            warnings=(*state.network.warnings, *_faults(state)),
        )
    )


def _faults(state: ControllerState) -> tuple[Text, ...]:
    """Return what keeps improvements from being judged though a baseline was sealed, and what is
    skipped or stands still."""
    faults = (state.trust.doubt(), state.live.improvements.fault)
    found = [fault for fault in faults if fault is not None]
    found += [
        Text(f"{loop}: no round has ended for too long.", f"{loop}：长时间没有完成一轮。")
        for loop in state.watchdog.stalled()
    ]
    found += [
        Text(
            f"{part} is skipped: {reason}"[:MAX_SENTENCE], f"已跳过 {part}：{reason}"[:MAX_SENTENCE]
        )
        for part, reason in sorted(state.watchdog.failing().items())[:MOST]
    ]
    return tuple(found)


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
)
