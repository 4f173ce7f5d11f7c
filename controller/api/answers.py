"""How the API answers: JSON bodies, pages, the one error shape."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import HttpVersion11, web

from controller.documents.errors import ErrorBody, ErrorDocument
from controller.store.interface import StoreBusyError, StoreFullError, StoreTimeoutError
from foundation.errors import IsochroneError
from foundation.numbers import LARGEST
from foundation.text import Text

logger = logging.getLogger("isochrone.controller")

Item = TypeVar("Item")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FULL_RETRY_S = 10
BUSY_RETRY_S = 2


class ApiError(Exception):
    """An answer that is an error: HTTP status, code, both sentences, what it is about."""

    def __init__(
        self,
        status: int,
        code: str,
        text: Text,
        *,
        retry_after_s: int | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(text.en)
        self.status = status
        self.code = code
        self.text = text
        self.fields = fields
        self.retry_after_s = retry_after_s


def json_answer(document: Any, status: int = 200) -> web.Response:
    """Return `document` (msgspec structs and plain values) as a JSON answer."""
    return json_bytes(msgspec.json.encode(document), status)


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """Return an encoded body as a JSON answer."""
    return web.Response(body=body, status=status, content_type="application/json")


def error_answer(error: ApiError) -> web.Response:
    """Return an error in the one shape."""
    body = ErrorBody(code=error.code, message=error.text, fields=error.fields)
    answer = json_answer(ErrorDocument(error=body), error.status)
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
        answer.force_close()  # a certificate belongs to its connection: a new one may show another
    return answer


def page_of(
    items: Sequence[Item], limit: int, after: str | None
) -> tuple[Sequence[Item], str | None]:
    """Return a slice of `items`, and the cursor of the next one (None at the end)."""
    start = read_cursor(after, "i", 0)
    end = start + limit
    return items[start:end], (write_cursor("i", end) if end < len(items) else None)


def write_cursor(kind: str, value: int) -> str:
    """Return an opaque cursor."""
    return base64.urlsafe_b64encode(f"{kind}{value}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, kind: str, default: int) -> int:
    """Return the number inside a cursor of `kind`. Raises ApiError for one we did not write."""
    if cursor is None:
        return default
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        if text[:1] != kind or not text[1:].isdigit() or len(text) > 20:
            raise ValueError(text)
        number = int(text[1:])
        if number > LARGEST:
            raise ValueError(text)
        return number
    except (ValueError, binascii.Error) as error:
        raise ApiError(
            400,
            "bad_cursor",
            Text(
                "`after` is not a cursor of this list; take it from `next` of the page before.",
                "参数 after 不是该列表的游标；请使用上一页返回的 next。",
            ),
            after=cursor,
        ) from error


@web.middleware
async def errors_in_one_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error, ours or aiohttp's, into the one shape."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_answer(error)
    except StoreFullError as error:
        return error_answer(
            ApiError(503, "store_full", error.text, retry_after_s=FULL_RETRY_S, **error.fields)
        )
    except StoreBusyError as error:
        return error_answer(
            ApiError(429, "busy", error.text, retry_after_s=BUSY_RETRY_S, **error.fields)
        )
    except StoreTimeoutError as error:
        return error_answer(ApiError(503, "time_limit", error.text, **error.fields))
    except IsochroneError as error:
        return error_answer(
            ApiError(503, "unavailable", error.text, retry_after_s=FULL_RETRY_S, **error.fields)
        )
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = error_answer(_of_http(request, error))
        if "Allow" in error.headers:  # 405 says what is served there
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        text = Text(
            "The controller failed to answer; its log says why.",
            "控制器未能应答，原因见其日志。",
        )
        return error_answer(ApiError(500, "internal", text))


@web.middleware
async def bodies_as_they_are(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body under a Content-Encoding, which could expand, and one that breaks off."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        text = Text(
            "A body is sent as it is, without Content-Encoding.",
            "请求体须原样发送，不使用 Content-Encoding。",
        )
        raise ApiError(415, "encoded_body", text)
    try:
        return await handler(request)
    except web.RequestPayloadError as error:
        text = Text(
            "The body of this request breaks off, or is not framed as it says.",
            "请求体不完整，或与其声明的传输方式不符。",
        )
        raise ApiError(400, "broken_body", text) from error


async def open_socket(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Shake hands for a WebSocket. Raises ApiError where the request cannot be its beginning."""
    try:
        await socket.prepare(request)
    except ValueError as error:  # a key that is no text
        text = Text("The WebSocket handshake is malformed.", "WebSocket 握手格式有误。")
        raise ApiError(400, "bad_handshake", text) from error


def _of_http(request: web.Request, error: web.HTTPException) -> ApiError:
    """Return aiohttp's own refusals (no such route, wrong method, too large) in our shape."""
    known = {
        404: ("not_found", "There is nothing at this address.", "该地址不存在。"),
        405: ("method_not_allowed", "This method is not served here.", "此地址不支持该方法。"),
        413: ("oversized", "The body is too large.", "请求体过大。"),
        426: ("no_websocket", "This address speaks WebSocket alone.", "此地址仅支持 WebSocket。"),
    }
    code, en, zh = known.get(
        error.status, ("http_error", f"The request failed: {error.reason}.", "请求失败。")
    )
    return ApiError(error.status, code, Text(en, zh), path=request.path, method=request.method)


async def refuse_expectations(request: web.Request) -> None:
    """Answer `Expect: 100-continue`; refuse anything else in the one shape, before middlewares."""
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what was written is no part of the answer
        return
    text = Text("Only Expect: 100-continue is understood.", "仅支持 Expect: 100-continue。")
    body = error_answer(ApiError(417, "expectation_failed", text)).text
    raise web.HTTPExpectationFailed(text=body, content_type="application/json")
