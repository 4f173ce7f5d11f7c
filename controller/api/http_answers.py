"""How the API answers: JSON, pages with cursors, downloads; compressed where that helps.

Long JSON answers are compressed for those far away; on this machine that would only take time. At
level 1: 7.5 MB of a matrix of 300 sites take less than half of level 6's CPU time, for 0.69 MB
instead of 0.58. Browsers may show nothing active in an answer, guess no type
of it, and keep no copy.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import socket
import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import hdrs, web

from controller.api.error_answers import ApiError, Handler
from foundation.number_types import LARGEST
from foundation.text import Text

Item = TypeVar("Item")

COMPRESS_FROM_BYTES = 2048
_LONG_BYTES = 65_536  # from here on not on the event loop
_LEVEL, _GZIP = 1, 31
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def json_answer(document: Any, status: int = 200) -> web.Response:
    """Return `document` (msgspec structs and plain values) as a JSON answer."""
    return json_bytes(msgspec.json.encode(document), status)


def json_bytes(body: bytes, status: int = 200) -> web.Response:
    """Return an encoded body as a JSON answer."""
    return web.Response(body=body, status=status, content_type="application/json")


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
                "`after` is not a cursor of this list; take it from `next` of the previous page.",
                "参数 after 不是该列表的游标；请使用上一页返回的 next。",
            ),
            after=cursor,
        ) from error


async def open_socket(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Shake hands for a WebSocket. Raises ApiError where the request cannot be its beginning."""
    try:
        await socket.prepare(request)
    except ValueError as error:  # a key that is no text
        text = Text("The WebSocket handshake is malformed.", "WebSocket 握手格式有误。")
        raise ApiError(400, "bad_handshake", text) from error


async def add_browser_rules(_request: web.Request, answer: web.StreamResponse) -> None:
    """Give every answer the strictest rules, where its route did not set its own."""
    headers = answer.headers
    headers.setdefault("Content-Security-Policy", NOTHING)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")


def page_policy(page: str) -> str:
    """Return the policy under which a page of ours runs nothing and is styled by itself alone.

    The hash is of the page as it is kept: an older one has the styles of its own time.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(page)[:1]
    )
    return f"{NOTHING}; style-src {hashes}" if hashes else NOTHING


def download(name: str) -> str:
    """Return the Content-Disposition of a file to be saved under `name`, made harmless."""
    return f'attachment; filename="{_NO_FILE_NAME.sub("-", name).lstrip(".-") or "file"}"'


@web.middleware
async def compress_for_networks(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress an answer's body with gzip where it is long, wanted, and leaves this machine."""
    answer = await handler(request)
    if not isinstance(answer, web.Response) or answer.content_type != "application/json":
        return answer
    body = answer.body
    if not isinstance(body, bytes) or len(body) < COMPRESS_FROM_BYTES:
        return answer
    answer.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    if "gzip" not in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower() or _is_local(request):
        return answer
    long = len(body) >= _LONG_BYTES
    answer.body = await asyncio.to_thread(_gzip, body) if long else _gzip(body)
    answer.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return answer


def _is_local(request: web.Request) -> bool:
    """Whether the peer is on a unix socket; loopback may be the end of somebody's tunnel."""
    if request.transport is None:
        return False
    channel = request.transport.get_extra_info("socket")
    return channel is not None and channel.family == socket.AF_UNIX


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, _GZIP)
