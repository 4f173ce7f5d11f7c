"""What is wrong with a request is told as such, whoever sends it, and is no defect in our log."""

import asyncio
import gzip
import itertools
import logging
import ssl
from typing import Any

import pytest

from controller.api.http_answers import write_cursor

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: \u00ff"
)
JSON = "Content-Type: application/json"
READERS = ["enrolment", "baselines", "maintenance", "campaigns", "campaign-load"]
NO_TEXTS = [b'{"name":"\xed\xa0\x80"}', b'{"token":"\xff"}', b"[" * 3_000, b'{"a":' * 3_000]


async def said(served: Any, head: str, body: bytes = b"", role: str = "admin") -> bytes:
    """Send a request as it stands and return the answer's first line."""
    state, _, url = served
    token = state.access.create_api_token(role, role, None)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    method, _, rest = head.partition("\r\n")
    lines = [f"{method} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
    lines += [rest] if rest else []
    if "Transfer-Encoding" not in rest:
        lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    try:
        return await asyncio.wait_for(reader.readline(), 30)
    finally:
        writer.close()


async def test_body_that_is_no_text_or_too_deep_is_refused(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for route, body in itertools.product(READERS, NO_TEXTS):
        assert b" 400 " in await said(served, f"POST /api/v1/{route}\r\n{JSON}", body)
    assert not any(record.exc_info for record in caplog.records)


ODD_HEADS = [
    (f"GET /api/v1/events\r\n{HANDSHAKE}", 400),
    ("GET /metrics\r\nAccept: application/openmetrics-text;version=a.b.c", 200),
    ("GET /metrics\r\nAccept: text/plain;version=1.x", 200),
    ("GET /api/v1/verdicts?limit=1&limit=2", 400),
    ("GET /api/v1/account?targets=a&targets=b", 400),
    ("GET /healthz?x=1&x=2", 400),
    (f"GET /api/v1/audit?after={write_cursor('a', 10**19 - 1)}", 400),
    (f"GET /api/v1/event-log?after={write_cursor('e', 1 << 63)}", 400),
]


async def test_odd_heads_are_answered(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    for head, status in ODD_HEADS:
        assert f" {status} ".encode() in await said(served, head), head
    assert not any(record.exc_info for record in caplog.records)


async def test_body_that_would_expand_is_refused_unread(served: Any) -> None:
    bodies = (b"abcd", gzip.compress(b"{}" * 1_000_000))
    for coding, body in itertools.product(("gzip", "deflate", "x-unknown"), bodies):
        head = f"POST /api/v1/maintenance\r\n{JSON}\r\nContent-Encoding: {coding}"
        assert b" 415 " in await said(served, head, body)


async def test_body_that_breaks_its_framing_is_refused(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "isochrone.controller")
    head = f"POST /api/v1/maintenance\r\n{JSON}\r\nTransfer-Encoding: chunked"
    assert b" 400 " in await said(served, head, b"2\r\n{}\r\nzz\r\n")
    assert not any("failed" in record.getMessage() for record in caplog.records)
