"""The agents: how they are, and the chunks they deliver."""

from __future__ import annotations

from aiohttp import web

from controller.api.error_answers import ApiError
from controller.api.http_answers import json_answer, page_of
from controller.api.lookup import known_agent
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, query_of, read_whole
from controller.api.services import READINGS, SERVICES
from controller.documents.places import AgentDocument, AgentPage, agent_document
from foundation.text import Text
from messages.exchange import (
    ANOTHER_AGENT,
    CHUNK_CONTENT_TYPE,
    CLAIM_HEADER,
    MAX_CHUNK_BYTES,
    Acknowledgement,
)

CLAIM_RETRY_S = 1


async def agents(request: web.Request) -> web.Response:
    """Return the agents in the order of the site file."""
    query, now = query_of(request, PageQuery), request.app[READINGS].snapshots.now()
    page, cursor = page_of(now.fleet.names, query.limit, query.after)
    states = now.agent_states()
    items = [agent_document(now, name, states[name]) for name in page]
    return json_answer(AgentPage(items=items, next=cursor))


async def agent_status(request: web.Request) -> web.Response:
    """Return an agent to itself, so that its doctor knows who is heard under its name."""
    query_of(request, NoQuery)
    now = request.app[READINGS].snapshots.now()
    name = known_agent(now, request.match_info["name"])
    return json_answer(agent_document(now, name, now.agent_states()[name]))


async def deliver(request: web.Request) -> web.Response:
    """Take a chunk; the answer 200 means that it is committed."""
    query_of(request, NoQuery)
    services, name = request.app[SERVICES], request.match_info["name"]
    ingest = services.ingest
    if request.content_type != CHUNK_CONTENT_TYPE:
        ingest.refused["wrong_content_type"] += 1
        raise ApiError(
            415,
            "wrong_content_type",
            Text(
                f"Send a chunk with Content-Type {CHUNK_CONTENT_TYPE}.",
                f"提交数据块时 Content-Type 应为 {CHUNK_CONTENT_TYPE}。",
            ),
            content_type=request.content_type,
        )
    if not services.channels.may_deliver(name, request.headers.get(CLAIM_HEADER)):
        ingest.refused[ANOTHER_AGENT] += 1
        raise ApiError(
            409,
            ANOTHER_AGENT,
            Text(
                f"Another agent named {name} is connected now, or the claim sent is outdated.",
                f"当前以 {name} 连接的是另一个探针，或所示凭证已过期。",
            ),
            retry_after_s=CLAIM_RETRY_S,
        )
    body = await ingest.uploads.read(name, lambda told: read_whole(request, MAX_CHUNK_BYTES, told))
    services.gate.check_again(request)  # a body may take its time
    living = services.channels.living(name)
    with ingest.uploads.in_hand(len(body)):
        boot = "" if living is None else living.boot
        return json_answer(await ingest.accept(name, body, boot))


ROUTES = (
    Route(
        method="GET",
        path=f"{PREFIX}/agents",
        handler=agents,
        role="viewer",
        summary="The agents with their state and last health.",
        answer=AgentPage,
        query=PageQuery,
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/agents/{{name}}/status",
        handler=agent_status,
        role="agent",
        summary="An agent as the controller knows it, for itself.",
        answer=AgentDocument,
        errors=(404,),
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/agents/{{name}}/chunks",
        handler=deliver,
        role="agent",
        summary="An agent delivers a chunk of windows; 200 once it is committed.",
        answer=Acknowledgement,
        body=CHUNK_CONTENT_TYPE,
        errors=(400, 404, 408, 409, 413, 415, 422, 429, 503),
    ),
)
