"""The planned streams."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.documents.paths import CurtailmentDocument, StreamDocument, StreamPage
from controller.documents.silence_documents import silence_document
from controller.documents.words import PathState
from controller.live.states import STATES
from controller.state import STATE, ControllerState
from topology.model import PlannedStream


async def streams(request: web.Request) -> web.Response:
    """Return the streams in the order of the plan."""
    query, state = query_of(request, PageQuery), request.app[STATE]
    page, cursor = page_of(range(len(state.streams)), query.limit, query.after)
    states = state.snapshot().states().streams
    items = [_document(state, row, STATES[states[row]]) for row in page]
    return json_answer(StreamPage(items=items, next=cursor))


def _document(state: ControllerState, row: int, state_name: str) -> StreamDocument:
    stream = state.streams[row]
    type_p = stream.type_p
    return StreamDocument(
        stream_id=str(stream.stream_id),
        path=stream.path.id,
        protocol=type_p.protocol,
        type_p=type_p.label(),
        ip_version=type_p.ip_version,
        payload_bytes=type_p.payload_bytes,
        dscp=type_p.dscp,
        port=type_p.port,
        interval_ms=stream.interval_ms,
        flows=stream.flows,
        timeout_ms=stream.timeout_ms,
        state=cast(PathState, state_name),
        last_window_ns=int(state.live.latest.aggregate.end_ns[row]) or None,
        curtailed=_curtailment(state, stream),
        silence=silence_document(state, row),
    )


def _curtailment(state: ControllerState, stream: PlannedStream) -> CurtailmentDocument | None:
    found = state.fleet.now().curtailment(stream.path.source.site, stream.stream_id)
    if found is None:
        return None
    return CurtailmentDocument(
        stream_id=str(found.stream_id),
        rule=found.rule,
        action=found.action,
        interval_ms=found.interval_ms,
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/streams",
        handler=streams,
        role="viewer",
        summary="The planned streams.",
        answer=StreamPage,
        query=PageQuery,
    ),
)
