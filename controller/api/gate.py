"""The gate before every route: who asks, may they, and a line in the audit log for every change."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import weakref
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from controller.access.credential_store import CredentialStore
from controller.access.credentials import CredentialError
from controller.access.roles import Identity, permits
from controller.api.error_answers import ApiError, Handler, status_of
from controller.api.routing import CHECK, Route
from controller.domain_errors import RefusedError
from foundation.text import Text, excerpt
from messages.enrolment import AGENT_URI

IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
REFUSALS_TOLD, REFUSALS_TOLD_NS = 20, 3_600_000_000_000  # so many of a credential in that time
MAX_TOLD = 10_000
MAX_SUBJECT = 500  # characters of what was asked
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Gate:
    """Lets requests through to their routes. `middleware` is what the application uses."""

    def __init__(self, credentials: CredentialStore) -> None:
        self._credentials = credentials
        self.refused: Counter[str] = Counter()  # requests by the code of their refusal
        self._told: dict[str, tuple[int, int]] = {}  # credential -> (since, refusals) of this hour
        self._routes: dict[web.AbstractRoute, Route] = {}
        # Transports are forgotten with their connections; WebSockets stay here while they live.
        self._open: weakref.WeakKeyDictionary[asyncio.BaseTransport, Identity] = (
            weakref.WeakKeyDictionary()
        )

    def guard(self, served: web.AbstractRoute, route: Route) -> None:
        """Say which declaration stands behind a served route."""
        self._routes[served] = route

    @property
    def middleware(self) -> Any:
        """The aiohttp middleware."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = self._routes.get(request.match_info.route)
            if route is not None and route.role == "anyone":
                return await handler(request)
            try:
                identity = self._admit(request, route)
            except ApiError as error:
                self.refused[error.code] += 1
                raise
            if route is None or not _is_change(route):
                return await handler(request)
            return await self._audited(identity, route, request, handler)

        return gate

    def _admit(self, request: web.Request, route: Route | None) -> Identity:
        """Return who asks. Raises ApiError 401, or 403 unless it is a change (see `_audited`)."""
        identity = self._identify(request)
        request[IDENTITY] = identity
        request[CHECK] = lambda: self.check_again(request)
        if request.transport is not None:
            self._open[request.transport] = identity
        if route is not None and not _is_change(route):  # without a route: aiohttp's 404 or 405
            _require(identity, route, request)
        return identity

    async def _audited(
        self, identity: Identity, route: Route, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Handle a change and write down what came of it, refusals and failures too."""
        result = "500"
        try:
            _require(identity, route, request)
            answer = await handler(request)
            result = str(answer.status)
        except RefusedError as error:
            status = status_of(error)
            result = f"{status} {error.code}"
            self.refused[error.code] += status == 403
            raise
        except web.HTTPException as error:
            result = str(error.status)
            raise
        finally:
            if not result.startswith("403") or self._is_told(identity):
                await asyncio.to_thread(
                    self._credentials.audit,
                    actor=str(identity),
                    action=f"{route.method} {route.path}",
                    subject=excerpt(request.path_qs, MAX_SUBJECT),
                    result=result,
                )
        return answer

    def _is_told(self, identity: Identity) -> bool:
        """Whether one more refusal of a credential goes to the audit log, which must hold others.

        Whoever may change nothing has a few an hour; all are counted.
        """
        now_ns, key = self._credentials.clock.monotonic_ns(), f"{identity} {identity.credential}"
        began_ns, told = self._told.get(key, (now_ns, 0))
        if now_ns - began_ns >= REFUSALS_TOLD_NS:
            began_ns, told = now_ns, 0
        if key not in self._told and len(self._told) >= MAX_TOLD:
            self._told.pop(next(iter(self._told)))
        self._told[key] = (began_ns, told + 1)
        return told < REFUSALS_TOLD

    def _identify(self, request: web.Request) -> Identity:
        """Return who asks. Raises ApiError 401 or 403."""
        try:
            identity = self._shown(request)
            if identity is None:
                raise ApiError(401, "unauthenticated", _WHO)
            self._credentials.check(identity)
        except CredentialError as error:
            raise ApiError(401, error.code, error.text, **error.fields) from error
        return identity

    def _shown(self, request: web.Request) -> Identity | None:
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                return None
            return self._credentials.identity_of_token(token.strip())
        if request.transport is None:
            return None
        known = self._open.get(request.transport)
        if known is not None and known.kind == "agent":
            return known  # a connection has one certificate: read once
        certificate = request.transport.get_extra_info("peercert")
        if certificate:
            return agent_of(certificate)
        channel = request.transport.get_extra_info("socket")
        if channel is not None and channel.family == socket.AF_UNIX:
            return _owner(channel)
        return None

    def check_again(self, request: web.Request) -> None:
        """Raise ApiError 401 if the credential of a request has ended since it was admitted."""
        try:
            self._credentials.check(request[IDENTITY])
        except CredentialError as error:
            raise ApiError(401, error.code, error.text, **error.fields) from error

    def stands(self, request: web.Request) -> bool:
        """Whether the credential of a request that was admitted still counts."""
        try:
            self.check_again(request)
        except ApiError:
            return False
        return True

    def close_ended(self) -> int:
        """Cut the connections whose credential has ended; return how many."""
        ended = []
        for transport, identity in list(self._open.items()):
            if transport.is_closing():
                continue
            try:
                self._credentials.check(identity)
            except CredentialError:
                ended.append(transport)
        for transport in ended:
            # Aborted, not closed: a peer that no longer counts could hold up an orderly end.
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        return len(ended)


def agent_of(certificate: Mapping[str, Any]) -> Identity | None:
    """Return the agent that a verified certificate names (ssl's dictionary), else None."""
    names = [
        value.removeprefix(AGENT_URI)
        for kind, value in certificate.get("subjectAltName", ())
        if kind == "URI" and value.startswith(AGENT_URI)
    ]
    if len(names) != 1:
        return None
    return Identity(
        kind="agent",
        name=names[0],
        credential=certificate["serialNumber"].lower().lstrip("0"),
        expires_ns=round(ssl.cert_time_to_seconds(certificate["notAfter"]) * 1e9),
    )


def _owner(channel: Any) -> Identity:
    """Return the peer of a unix socket: who may open the file is its owner, or was
    admitted by it.
    """
    size = _PEER.size
    _, user, _ = _PEER.unpack(channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Identity(kind="owner", name=f"uid {user}", role="admin")


def _is_change(route: Route) -> bool:
    """Whether the audit log reports it: people's changes, not the agents' constant deliveries."""
    return route.method not in ("GET", "HEAD") and route.role != "agent"


def _require(identity: Identity, route: Route, request: web.Request) -> None:
    agent = request.match_info.get("name")
    if permits(identity, route.role, agent):
        return
    if route.role == "agent":
        raise ApiError(
            403,
            "foreign_agent",
            Text(
                f"This address is only for agent {agent}, but {identity} asked.",
                f"该地址仅供探针 {agent} 使用，而请求来自 {identity}。",
            ),
            agent=agent,
        )
    raise ApiError(
        403,
        "forbidden",
        Text(
            f"This needs the role {route.role}; {identity} has {identity.role or 'none'}.",
            f"该操作需要 {route.role} 角色；{identity} 的角色为 {identity.role or '无'}。",
        ),
        role=route.role,
    )


_WHO = Text(
    "This address needs a credential: an API token (Authorization: Bearer …), an agent's "
    "certificate, or the controller's unix socket.",
    "该地址需要身份凭据：API 令牌（Authorization: Bearer …）、探针证书或控制器的 unix 套接字。",
)
