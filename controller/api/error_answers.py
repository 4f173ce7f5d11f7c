"""Errors as the API says them: one shape, and one place that knows the HTTP status of each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import HttpVersion11, web

from controller.documents.values import ErrorBody, ErrorDocument
from controller.domain_errors import (
    BusyError,
    ConflictError,
    ForeignError,
    MalformedError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnknownError,
)
from controller.store.interface import StoreBusyError, StoreFullError, StoreTimeoutError
from foundation.errors import IsochroneError
from foundation.text import Text

logger = logging.getLogger("isochrone.controller")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FULL_RETRY_S = 10
BUSY_RETRY_S = 2
STATUS: dict[type[RefusedError], int] = {
    MalformedError: 400,
    UnknownError: 404,
    TooSlowError: 408,
    ConflictError: 409,
    TooLargeError: 413,
    ForeignError: 422,
    BusyError: 429,
}


class ApiError(RefusedError):
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
        super().__init__(code, text, retry_after_s=retry_after_s, **fields)
        self.status = status


def status_of(error: RefusedError) -> int:
    """Return the HTTP status of a refusal."""
    return error.status if isinstance(error, ApiError) else STATUS[type(error)]


def error_answer(error: RefusedError) -> web.Response:
    """Return an error in the one shape."""
    body = ErrorBody(code=error.code, message=error.text, fields=error.fields)
    answer = web.Response(
        body=msgspec.json.encode(ErrorDocument(error=body)),
        status=status_of(error),
        content_type="application/json",
    )
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    if answer.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
        answer.force_close()  # a certificate belongs to its connection: a new one may show another
    return answer


@web.middleware
async def errors_in_one_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error, ours or aiohttp's, into the one shape."""
    try:
        return await handler(request)
    except RefusedError as error:
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


def _of_http(request: web.Request, error: web.HTTPException) -> ApiError:
    """Return aiohttp's own refusals (no such route, wrong method, too large) in our shape."""
    known = {
        404: ("not_found", "There is nothing at this address.", "该地址不存在。"),
        405: ("method_not_allowed", "This method is not served here.", "此地址不支持该方法。"),
        413: ("oversized", "The body is too large.", "请求体过大。"),
        426: (
            "no_websocket",
            "This address accepts only WebSocket connections.",
            "此地址仅支持 WebSocket。",
        ),
    }
    code, en, zh = known.get(
        error.status, ("http_error", f"The request failed: {error.reason}.", "请求失败。")
    )
    return ApiError(error.status, code, Text(en, zh), path=request.path, method=request.method)


@web.middleware
async def bodies_as_they_are(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body under a Content-Encoding, which could expand, and one that breaks off."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        text = Text(
            "Send the body without Content-Encoding.",
            "请求体须原样发送，不使用 Content-Encoding。",
        )
        raise ApiError(415, "encoded_body", text)
    try:
        return await handler(request)
    except web.RequestPayloadError as error:
        text = Text(
            "The body of this request is incomplete, or not framed as its headers say.",
            "请求体不完整，或与其声明的传输方式不符。",
        )
        raise ApiError(400, "broken_body", text) from error


async def refuse_expectations(request: web.Request) -> None:
    """Answer `Expect: 100-continue`; refuse anything else in the one shape, before middlewares."""
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what was written is no part of the answer
        return
    text = Text("Only Expect: 100-continue is supported.", "仅支持 Expect: 100-continue。")
    body = error_answer(ApiError(417, "expectation_failed", text)).text
    raise web.HTTPExpectationFailed(text=body, content_type="application/json")
