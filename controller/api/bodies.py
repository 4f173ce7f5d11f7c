"""How every body of a request is read: whole, within a time, up to a length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from controller.domain_errors import TooLargeError
from controller.ingest.uploads import slow_body
from foundation.text import Text
from messages.exchange import MAX_CHUNK_BYTES

DOCUMENT_S = 15.0  # for the whole of one, which is no chunk
# Raises ApiError 401 where the credential of a request that was admitted has ended since.
CHECK: web.RequestKey[Callable[[], None]] = web.RequestKey("check")


async def read_document(request: web.Request, most_bytes: int = MAX_CHUNK_BYTES) -> bytes:
    """Return the body of a request that is no chunk.

    Raises ApiError 401, TooSlowError or TooLargeError. It may take its time, in which the
    credential it came with can end.
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

    Raises TooLargeError, RequestPayloadError where it breaks off.
    """
    pieces, size = [], 0
    try:
        async for piece in request.content.iter_any():
            on_bytes(len(piece))
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise TooLargeError(
                    "oversized",
                    Text(
                        f"The body is larger than {most_bytes} bytes.",
                        f"请求体超过 {most_bytes} 字节。",
                    ),
                )
    except ConnectionError as error:
        raise web.RequestPayloadError("the connection ended before the body") from error
    return b"".join(pieces)
