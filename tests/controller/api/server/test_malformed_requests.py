"""Whoever sends what is no HTTP fills no log."""

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from controller.api.server.malformed_requests import EVERY_S, MalformedRequests, http_logger


def record_of(error: Exception) -> logging.LogRecord:
    return logging.LogRecord("x", logging.ERROR, "", 0, "Error", (), (type(error), error, None))


def test_malformed_requests_are_told_in_a_line_a_minute_with_their_number() -> None:
    now_s = [0.0]
    rule = MalformedRequests(lambda: now_s[0])
    first = record_of(BadHttpMessage("Invalid \x1b[31m method\n2026 INFO all is well"))
    assert rule.filter(first)
    assert first.exc_info is None
    assert first.levelno == logging.WARNING
    assert first.getMessage() == (
        "a malformed request was refused: Invalid \ufffd[31m method\ufffd2026 INFO all is well"
    )
    assert not any(rule.filter(record_of(LineTooLong("a" * 9000))) for _ in range(500))
    now_s[0] += EVERY_S
    later = record_of(LineTooLong("a" * 9000))
    assert rule.filter(later)
    assert later.getMessage().endswith("… (500 others since the last such line)")


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    record = record_of(KeyError("x"))
    assert MalformedRequests().filter(record)
    assert record.exc_info is not None


async def test_the_server_logs_through_it(caplog: pytest.LogCaptureFixture) -> None:
    runner = web.AppRunner(web.Application(), access_log=None, logger=http_logger)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: Any = runner.addresses[0][1]
    try:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n")
            answer = await asyncio.wait_for(reader.readline(), 30)
            assert b" 400 " in answer
            writer.close()
    finally:
        await runner.cleanup()
    assert not any(record.exc_info for record in caplog.records)
    assert sum("malformed request" in message for message in caplog.messages) <= 1
