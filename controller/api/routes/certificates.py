"""The certificates that the controller's authority gave to agents."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from controller.access.credential_store import CertificateRecord
from controller.api.answers import json_answer, page_of
from controller.api.routing import PREFIX, PageQuery, Route, query_of
from controller.api.services import SERVICES
from controller.documents.certificates import CertificatePage, CertificateState, IssuedCertificate


class CertificateQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which certificates."""

    agent: Annotated[str | None, msgspec.Meta(description="Of one agent.")] = None
    state: Annotated[CertificateState | None, msgspec.Meta(description="In this state.")] = None


async def certificates(request: web.Request) -> web.Response:
    """Return the certificates, oldest first; nothing in them is secret."""
    query, services = query_of(request, CertificateQuery), request.app[SERVICES]
    now_ns = services.clock.wall_ns()
    found = [
        each
        for each in (_document(record, now_ns) for record in services.access.issued())
        if query.agent in (None, each.agent) and query.state in (None, each.state)
    ]
    page, cursor = page_of(found, query.limit, query.after)
    return json_answer(CertificatePage(items=list(page), next=cursor))


def _document(record: CertificateRecord, now_ns: int) -> IssuedCertificate:
    validity: CertificateState = "good" if record.expires_ns > now_ns else "expired"
    return IssuedCertificate(
        serial=record.serial,
        agent=record.agent,
        state="revoked" if record.revoked_ns is not None else validity,
        issued_ns=record.issued_ns,
        expires_ns=record.expires_ns,
        revoked_ns=record.revoked_ns,
    )


ROUTES = (
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
