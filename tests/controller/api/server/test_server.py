"""The API on its addresses: a socket of its owner alone, a stale one removed, no log filled."""

import asyncio
import logging
import os
import pathlib
import re
import socket
import stat
from typing import Any

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from controller.api.server.addresses import Listen
from controller.api.server.connections import Connections
from controller.api.server.server import (
    MALFORMED_EVERY_S,
    MalformedRequests,
    http_logger,
    served_on,
)
from foundation.errors import ResourceError


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
    now_s[0] += MALFORMED_EVERY_S
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


async def test_the_log_says_at_which_port_the_kernel_lets_it_listen(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "api.sock"
    listens = [Listen(host="127.0.0.1"), Listen(unix=place)]
    with caplog.at_level("INFO", logger="isochrone.controller"):
        async with served_on(web.Application(), listens, None, Connections()):
            pass
    told = [message for message in caplog.messages if message.startswith("listening on ")]
    assert re.fullmatch(r"listening on 127\.0\.0\.1:[1-9][0-9]*", told[0])
    assert told[1] == f"listening on unix:{place}"


async def test_the_socket_is_its_owners_alone_from_its_first_moment_and_no_umask_changes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    before = os.umask(0)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", None)  # the whole process's, and other threads make files
            patch.setattr(pathlib.Path, "chmod", lambda path, _mode: modes.append(path.stat()))
            listens = [Listen(unix=tmp_path / "api.sock")]
            async with served_on(web.Application(), listens, None, Connections()):
                pass
    finally:
        os.umask(before)
    assert [stat.filemode(found.st_mode) for found in modes] == ["srw-------"]


async def test_a_socket_that_nobody_answers_is_taken_over_and_one_in_use_is_not(
    tmp_path: pathlib.Path,
) -> None:
    place = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(place))
    listens = [Listen(unix=place)]
    async with served_on(web.Application(), listens, None, Connections()):
        with pytest.raises(ResourceError, match="in use by another process") as caught:
            async with served_on(web.Application(), listens, None, Connections()):
                pass
    assert "--listen" in caught.value.text.zh


async def test_an_address_that_is_not_to_be_had_says_which_to_take_instead(
    tmp_path: pathlib.Path,
) -> None:
    for listen, said in (
        (Listen(unix=tmp_path / "no" / "api.sock"), "create its directory"),
        (Listen(host="192.0.2.1", port=0), "an address of this machine"),
    ):
        with pytest.raises(ResourceError, match=said):
            async with served_on(web.Application(), [listen], None, Connections()):
                pass
