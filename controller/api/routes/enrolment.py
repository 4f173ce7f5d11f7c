"""How an agent gets its certificate, renews it, and which ones there are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web

from controller.access.certificate_authority import Authority
from controller.access.credentials import CertificateRecord, CredentialError
from controller.api.error_answers import ApiError
from controller.api.gate import IDENTITY
from controller.api.http_answers import json_answer, page_of
from controller.api.routing import PREFIX, NoQuery, PageQuery, Route, query_of, read_document
from controller.api.services import READINGS, SERVICES, Services
from controller.documents.certificates import CertificatePage, CertificateState, issued_certificate
from controller.events.event_types import CredentialChanged
from controller.ingest.ingest import unknown_agent
from foundation.errors import ConfigError, RemoteProtocolError
from foundation.json_document import decode_json
from foundation.text import Text
from messages.enrolment import (
    ENROLMENT_PATH,
    AuthorityDocument,
    CertificateDocument,
    EnrolmentRequest,
    RenewalRequest,
    parse_enrolment_token,
)

MAX_REQUEST_BYTES = 16_384
DOUBTED_RETRY_S = 60
CONTENT_TYPE = "application/json"

logger = logging.getLogger("isochrone.controller")
Body = TypeVar("Body", EnrolmentRequest, RenewalRequest)


async def authority(request: web.Request) -> web.Response:
    """Return the authority's certificate; an agent compares it with its token's fingerprint."""
    query_of(request, NoQuery)
    return json_answer(AuthorityDocument(authority=_authority(request.app[SERVICES]).pem))


async def enrol(request: web.Request) -> web.Response:
    """Give an agent its certificate for a one-time token, which is used up by that."""
    query_of(request, NoQuery)
    services = request.app[SERVICES]
    issuer, asked = _authority(services), await _body_of(request, EnrolmentRequest)
    try:
        token = parse_enrolment_token(asked.token)
    except ConfigError as error:
        raise ApiError(401, "unknown_token", error.text) from error
    _counting(lambda: services.access.enrolling(token))
    if token.agent not in services.fleet:
        raise unknown_agent(token.agent)
    pem, record = await asyncio.to_thread(_issue, issuer, asked.request, token.agent)
    await asyncio.to_thread(_counting, lambda: services.access.enrol(token.id, record))
    services.gate.close_ended()  # what the earlier certificates held open
    await asyncio.to_thread(
        services.access.audit,
        actor=f"enrolment token {token.id}",
        action="enrol",
        subject=token.agent,
        detail=f"certificate {record.serial} to {request.remote or 'unix socket'}",
    )
    services.bus.publish([_changed(services, token.agent, "enrolled")])
    logger.info("%s is enrolled", token.agent)
    return json_answer(_document(issuer, token.agent, pem))


async def renew(request: web.Request) -> web.Response:
    """Give an agent a fresh certificate in place of the one it shows."""
    query_of(request, NoQuery)
    services, name = request.app[SERVICES], request.match_info["name"]
    issuer, asked = _authority(services), await _body_of(request, RenewalRequest)
    if name not in services.fleet:
        raise unknown_agent(name)
    _refuse_by_a_doubted_clock(services)
    pem, record = await asyncio.to_thread(_issue, issuer, asked.request, name)
    shown = request[IDENTITY]
    await asyncio.to_thread(_counting, lambda: services.access.renewed(record, shown))
    await asyncio.to_thread(
        services.access.audit,
        actor=str(request[IDENTITY]),
        action="renew",
        subject=name,
        detail=f"certificate {record.serial}",
    )
    services.bus.publish([_changed(services, name, "renewed")])
    return json_answer(_document(issuer, name, pem))


def _changed(services: Services, agent: str, action: str) -> CredentialChanged:
    return CredentialChanged(at_ns=services.clock.wall_ns(), agent=agent, action=action)


def _refuse_by_a_doubted_clock(services: Services) -> None:
    """Raise ApiError 503 where a certificate could be one that begins in weeks."""
    if services.trust.doubt() is None:
        return
    raise ApiError(
        503,
        "clock_doubted",
        Text(
            "The controller's clock cannot be trusted now, so no certificate is issued; yours "
            "stays valid. Try again later, or check the controller's clock.",
            "控制器时钟目前不可信，而证书有效期以其为准；现有证书不变。"
            "请稍后重试，或检查控制器时钟。",
        ),
        retry_after_s=DOUBTED_RETRY_S,
    )


def _authority(services: Services) -> Authority:
    if services.authority is None:
        raise ApiError(
            404,
            "no_authority",
            Text(
                "This controller cannot enrol agents: run `isochrone controller init` first.",
                "该控制器未初始化（isochrone controller init），无法注册探针。",
            ),
        )
    return services.authority


async def _body_of(request: web.Request, kind: type[Body]) -> Body:
    """Return the body, which is short: strangers may send it."""
    body = await read_document(request, MAX_REQUEST_BYTES)
    try:
        return decode_json(body, kind)
    except msgspec.DecodeError as error:
        # Said without the decoder's words, which could repeat a part of a token.
        text = Text("This is not a request for a certificate.", "无法识别的证书请求。")
        raise ApiError(400, "bad_request", text) from error


def _issue(issuer: Authority, request_pem: str, agent: str) -> tuple[str, CertificateRecord]:
    try:
        return issuer.issue(request_pem, agent)
    except RemoteProtocolError as error:
        raise ApiError(422, "bad_signing_request", error.text) from error


def _counting(look: Callable[[], object]) -> None:
    try:
        look()
    except CredentialError as error:
        logger.warning("a certificate is refused: %s", error)
        status = 401 if error.retry_after_s is None else 429
        raise ApiError(
            status, error.code, error.text, retry_after_s=error.retry_after_s, **error.fields
        ) from error


def _document(issuer: Authority, agent: str, pem: str) -> CertificateDocument:
    return CertificateDocument(
        agent=agent, certificate=pem, authority=issuer.pem, plan_key=issuer.plan_public_key
    )


class CertificateQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which certificates."""

    agent: Annotated[str | None, msgspec.Meta(description="Of one agent.")] = None
    state: Annotated[CertificateState | None, msgspec.Meta(description="In this state.")] = None


async def certificates(request: web.Request) -> web.Response:
    """Return the certificates, oldest first; nothing in them is secret."""
    query, readings = query_of(request, CertificateQuery), request.app[READINGS]
    now_ns = readings.snapshots.now().at_ns
    found = [
        each
        for each in (issued_certificate(one, now_ns) for one in readings.archive.certificates())
        if query.agent in (None, each.agent) and query.state in (None, each.state)
    ]
    page, cursor = page_of(found, query.limit, query.after)
    return json_answer(CertificatePage(items=list(page), next=cursor))


ROUTES = (
    Route(
        method="GET",
        path=ENROLMENT_PATH,
        handler=authority,
        role="anyone",
        summary="The certificate of the controller's authority.",
        answer=AuthorityDocument,
        errors=(404,),
    ),
    Route(
        method="POST",
        path=ENROLMENT_PATH,
        handler=enrol,
        role="anyone",
        summary="An agent enrols: a one-time token and a signing request for a certificate.",
        answer=CertificateDocument,
        body=CONTENT_TYPE,
        errors=(400, 401, 404, 413, 422),
    ),
    Route(
        method="POST",
        path=f"{PREFIX}/agents/{{name}}/certificate",
        handler=renew,
        role="agent",
        summary="An agent renews its certificate.",
        answer=CertificateDocument,
        body=CONTENT_TYPE,
        errors=(400, 404, 413, 422, 429, 503),
    ),
    Route(
        method="GET",
        path=f"{PREFIX}/certificates",
        handler=certificates,
        role="viewer",
        summary="The certificates given to agents, oldest first.",
        answer=CertificatePage,
        query=CertificateQuery,
    ),
)
