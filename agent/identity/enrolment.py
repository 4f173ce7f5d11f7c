"""Enrolling: first know the controller by the token's fingerprint, then show it the token."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from agent.channel.link import read_answer, reason_on_the_way, refusal_of
from agent.identity.trust import Trust, new_request, save_trust
from agent.plan.file import KEYS_FILE
from foundation.errors import ConfigError, ResourceError
from foundation.json_document import decode_json
from foundation.one_host import follow_no_redirect
from foundation.text import Text
from foundation.tls_faults import certificate_fault
from messages.enrolment import (
    ENROLMENT_PATH,
    AuthorityDocument,
    CertificateDocument,
    EnrolmentRequest,
    EnrolmentToken,
)

Answer = TypeVar("Answer", bound=msgspec.Struct)

_NOT_ITS_OWN = Text(
    "is not from the authority that it names as its own; ask the controller's owner",
    "并非由其自称的颁发机构签发；请联系控制器管理员",
)
_TIMEOUT = aiohttp.ClientTimeout(total=30)


async def enrol(
    url: str, token: EnrolmentToken, state_dir: Path, proxy: str | None = None
) -> Trust:
    """Get a certificate and keep it. Raises ConfigError or ResourceError; then nothing is kept.

    The authority is fetched over a connection that proves nothing, so only its fingerprint counts;
    the token is shown over a second one, which that authority vouches for. Both go through the
    `proxy`, if there is one.
    """
    root = url.rstrip("/")
    pem = (await _ask(root, proxy, False, _get, AuthorityDocument)).authority
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.strip() + "\n")
        context = ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise _no_controller(root, str(error)) from error
    if hashlib.sha256(der).hexdigest() != token.fingerprint:
        raise ConfigError(
            f"The authority of {root} does not match this token: a wrong address, or an "
            f"interception. The token was not sent. Ask the controller's owner.",
            f"{root} 的颁发机构与令牌所指的不一致：地址有误，或存在中间人。令牌未发送；"
            "请联系控制器管理员。",
            controller=root,
        )
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    key, request = new_request(token.agent)
    body = msgspec.json.encode(EnrolmentRequest(token=token.text(), request=request))

    async def post(session: aiohttp.ClientSession, address: str) -> aiohttp.ClientResponse:
        headers = {"Content-Type": "application/json"}
        return await session.post(address, data=body, headers=headers)

    given = await _ask(root, proxy, context, post, CertificateDocument)
    if given.agent != token.agent or given.authority.strip() != pem.strip():
        raise _no_controller(root, "it answered for another agent or authority")
    trust = save_trust(state_dir, key, given)
    (state_dir / KEYS_FILE).unlink(missing_ok=True)  # nobody answers to the previous ones
    return trust


async def _get(session: aiohttp.ClientSession, address: str) -> aiohttp.ClientResponse:
    return await session.get(address)


async def _ask(
    root: str,
    proxy: str | None,
    tls: ssl.SSLContext | bool,
    send: Callable[[aiohttp.ClientSession, str], Awaitable[aiohttp.ClientResponse]],
    kind: type[Answer],
) -> Answer:
    connector = aiohttp.TCPConnector(ssl=tls)
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=_TIMEOUT,
            trust_env=False,
            middlewares=(follow_no_redirect,),
            proxy=proxy,
        ) as session:
            answer = await send(session, f"{root}{ENROLMENT_PATH}")
            body = await read_answer(answer)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(root, error) from error
    if answer.status != 200:
        said = refusal_of(answer.status, body)
        raise ResourceError(
            f"The controller {root} does not enrol this agent: {said.en}",
            f"控制器 {root} 未接受注册：{said.zh}",
            controller=root,
        )
    try:
        return decode_json(body, kind)
    except msgspec.MsgspecError as error:
        raise _no_controller(root, str(error)) from error


def _unreachable(root: str, error: BaseException) -> ResourceError:
    fault = certificate_fault(error)
    if fault is not None:
        told = _NOT_ITS_OWN if fault.kind == "authority" else fault.text
        return ResourceError(
            f"The certificate of {root} {told.en}. The token was not sent.",
            f"{root} 的证书{told.zh}。令牌未发送。",
            controller=root,
        )
    reason = reason_on_the_way(error)
    return ResourceError(
        f"The controller {root} cannot be reached ({reason.en}); check the address and the "
        "firewall.",
        f"无法连接控制器 {root}（{reason.zh}）；请检查地址和防火墙。",
        controller=root,
    )


def _no_controller(root: str, reason: str) -> ResourceError:
    return ResourceError(
        f"{root} does not answer like an Isochrone controller ({reason}); check the address.",
        f"{root} 的应答不符合 Isochrone 控制器（{reason}）；请检查地址。",
        controller=root,
    )
