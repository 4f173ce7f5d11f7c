"""How the API answers: JSON bodies, pages, sockets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from controller.api.error_answers import ApiError
from foundation.number_types import LARGEST
from foundation.text import Text

Item = TypeVar("Item")


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
