"""Where the controller is: an HTTPS address or a Unix socket, and the HTTP session to it."""

from __future__ import annotations

import ssl

import aiohttp
import msgspec
from aiohttp.client_exceptions import UnixClientConnectorError

from foundation.json_document import decode_json
from foundation.one_host import follow_no_redirect
from foundation.reasons import reason_of
from foundation.text import Text, plain, plain_text
from foundation.tls_faults import certificate_fault, refuses_certificate, tls_reason
from messages.controller_url import socket_path

_CONNECT_TIMEOUT_S = 10.0
_TOTAL_TIMEOUT_S = 60.0
_LARGEST_ANSWER_BYTES = 65_536
_NOT_OURS = Text(
    "is not from the authority this agent was enrolled with; check the address, ask the "
    "controller's owner",
    "并非由注册时的颁发机构签发；请检查地址并联系控制器管理员",
)


def open_session(
    controller: str, context: ssl.SSLContext | None = None, proxy: str | None = None
) -> tuple[aiohttp.ClientSession, str]:
    """Return a session and the base URL for ``https://…`` or ``unix:/path``.

    `context` is what an enrolled agent shows and trusts; a unix socket needs none. TLS goes through
    the `proxy` that the owner names, never through one of the environment.
    """
    connector: aiohttp.BaseConnector
    path = socket_path(controller)
    if path is not None:
        connector, base, proxy = aiohttp.UnixConnector(path), "http://unix", None
    else:
        tls: ssl.SSLContext | bool = True if context is None else context
        connector, base = aiohttp.TCPConnector(limit=16, ssl=tls), controller.rstrip("/")
    timeout = aiohttp.ClientTimeout(total=_TOTAL_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        middlewares=(follow_no_redirect,),
        proxy=proxy,
    )
    return session, base


def unreachable(controller: str, error: BaseException) -> Text:
    """Return the sentence for a controller that does not answer, or whom we do not trust."""
    fault = certificate_fault(error)
    if fault is not None:
        told = _NOT_OURS if fault.kind == "authority" else fault.text
        return Text(
            f"The certificate of the controller {controller} {told.en}. The agent "
            "continues to measure and keeps its windows.",
            f"控制器 {controller} 的证书{told.zh}。测量继续进行，数据保存在本地。",
        )
    if refuses_certificate(error):
        reason = tls_reason(error) or reason_of(error)
        return Text(
            f"The controller {controller} refuses this agent's certificate ({reason.en}); "
            "the agent continues to measure and keeps its windows. If the clocks are right, enrol "
            "again with a new token: isochrone agent enrol.",
            f"控制器 {controller} 拒绝了探针证书（{reason.zh}）；测量继续进行，数据保存在本地。"
            "若时钟无误，请用新令牌重新注册：isochrone agent enrol。",
        )
    if _status_of(error) in (401, 403):
        return Text(
            f"The controller {controller} refuses this agent's certificate (revoked, expired or "
            "from another authority); the agent continues to measure and keeps its windows. Enrol "
            "again with a new token: isochrone agent enrol.",
            f"控制器 {controller} 拒绝了探针证书（已吊销、已过期或来自其他颁发机构）；"
            "测量继续进行，数据保存在本地。请用新令牌重新注册：isochrone agent enrol。",
        )
    reason = reason_on_the_way(error)
    if isinstance(error, UnixClientConnectorError):
        controller = f"unix:{error.path}"
    return Text(
        f"The controller {controller} cannot be reached ({reason.en}); the agent "
        "continues to measure and keeps its windows. Check its address and that it runs.",
        f"无法连接控制器 {controller}（{reason.zh}）；测量继续进行，数据保存在本地。"
        "请检查地址及控制器是否在运行。",
    )


def reason_on_the_way(error: BaseException) -> Text:
    """Return why there is no connection, and whether it is the proxy that has none for us."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Text(
            f"the proxy refuses it: HTTP {error.status} {error.message}",
            f"代理服务器拒绝：HTTP {error.status} {error.message}",
        )
    reason = reason_of(error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Text(f"the proxy: {reason.en}", f"代理服务器：{reason.zh}")
    return reason


def is_revoked(error: BaseException) -> bool:
    """Whether the controller, whom we trust, says that our certificate no longer counts."""
    return _status_of(error) == 401


def _status_of(error: BaseException) -> int | None:
    if isinstance(error, aiohttp.ClientHttpProxyError):  # says nothing of the controller
        return None
    return error.status if isinstance(error, aiohttp.ClientResponseError) else None


async def read_answer(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body, cut where no answer of a controller is so long."""
    body = b""
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LARGEST_ANSWER_BYTES:
            break
    return body


class _ErrorBody(msgspec.Struct):
    message: Text
    code: str = ""


class _ErrorAnswer(msgspec.Struct):
    error: _ErrorBody


def refusal_code(body: bytes) -> str:
    """Return the controller's word for its reason; empty where it was not the controller."""
    try:
        return plain(decode_json(body, _ErrorAnswer).error.code)
    except msgspec.MsgspecError:
        return ""


def refusal_of(status: int, body: bytes) -> Text:
    """Return what the controller gave as its reason, or the bare HTTP status."""
    try:
        return plain_text(decode_json(body, _ErrorAnswer).error.message)
    except msgspec.MsgspecError:
        return Text(f"HTTP status {status}.", f"HTTP 状态码 {status}。")
