"""How every body of a request is read: whole, within a time, up to a length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from controller.api.answers import ApiError
from foundation.text import Text
from messages.exchange import MAX_CHUNK_BYTES

DOCUMENT_S = 15.0  # for the whole of one, which is no chunk
RETRY_S = 2
# Raises ApiError 401 where the credential of a request that was let in has ended since.
CHECK: web.RequestKey[Callable[[], None]] = web.RequestKey("check")


async def read_document(request: web.Request, most_bytes: int = MAX_CHUNK_BYTES) -> bytes:
    """Return the body of a request that is no chunk. Raises ApiError 401, 408 or 413.

    It may take its time, in which the credential it came with can end.
    """
    try:
        async with asyncio.timeout(DOCUMENT_S):
            body = await read_whole(request, most_bytes)
    except TimeoutError as error:
        raise slow_body(DOCUMENT_S) from error
    if CHECK in request:
        request[CHECK]()
    return body


async def read_whole(
    request: web.Request, most_bytes: int, on_bytes: Callable[[int], None] = lambda _: None
) -> bytes:
    """Return a body; `on_bytes` hears of each piece.

    Raises ApiError 413, RequestPayloadError where it breaks off.
    """
    pieces, size = [], 0
    try:
        async for piece in request.content.iter_any():
            on_bytes(len(piece))
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise ApiError(
                    413,
                    "oversized",
                    Text(
                        f"The body is larger than {most_bytes} bytes.",
                        f"请求体超过 {most_bytes} 字节。",
                    ),
                )
    except ConnectionError as error:
        raise web.RequestPayloadError("the connection ended before the body") from error
    return b"".join(pieces)


def slow_body(limit_s: float) -> ApiError:
    """Return the refusal of a body that did not come in time."""
    return ApiError(
        408,
        "slow_body",
        Text(
            f"The body did not come within {limit_s:.0f} s; send it again.",
            f"请求体未在 {limit_s:.0f} 秒内传完，请重新提交。",
        ),
        retry_after_s=RETRY_S,
    )
