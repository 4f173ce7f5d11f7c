"""The export: refused for what does not exist, rationed among callers, ended where nobody reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controller.export_calls import query, rows_of


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ("&path=nope", 404, "unknown_path"),
        ("&site=nope", 404, "unknown_site"),
        ("&level=year", 400, "bad_query"),
    ],
)
async def test_what_does_not_exist_is_not_exported(
    controller: Any, more: str, status: int, code: str
) -> None:
    assert (await controller.get(query(controller, "csv", more), status))["error"]["code"] == code


async def test_times_and_format_must_be_given_and_in_order(controller: Any) -> None:
    for address, code in (
        ("/api/v1/export?from_ns=0&to_ns=1", "missing_parameter"),
        ("/api/v1/export?from_ns=2&to_ns=1&format=csv", "bad_period"),
        ("/api/v1/export?from_ns=0&to_ns=9223372036854775807&format=csv", "bad_period"),
    ):
        assert (await controller.get(address, 400))["error"]["code"] == code


@pytest.mark.parametrize("running", [{"a": 2, "b": 1}, {f"owner uid {os.getuid()} ": 2}])
async def test_exports_beyond_what_may_run_at_once_are_asked_to_wait(
    controller: Any, running: dict[str, int]
) -> None:
    controller.services.readings.exports.update(running)
    error = (await controller.get(query(controller, "csv"), 429))["error"]
    assert error["code"] == "too_many_exports"
    controller.services.readings.exports.subtract(running)


async def test_nobody_keeps_others_from_exporting(measured: Any) -> None:
    measured.services.readings.exports.update({"token greedy 1": 2})
    assert await rows_of(measured, "jsonl")
    assert measured.services.readings.exports == {"token greedy 1": 2}, (
        "and its own place is given back"
    )


async def test_an_export_that_nobody_takes_ends(
    measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(_tables: Any) -> Iterator[bytes]:
        while True:
            yield os.urandom(1 << 20)

    monkeypatch.setattr(
        "controller.api.routes.export.encoder_of", lambda _format, _columns: endless
    )
    monkeypatch.setattr("controller.api.routes.export.PIECE_S", 0.2)
    reader, writer = await asyncio.open_unix_connection(measured.session.connector.path, limit=1024)
    asked = f"GET {query(measured, 'jsonl')} HTTP/1.1\r\nHost: c\r\n\r\n"
    writer.write(asked.encode())
    async with asyncio.timeout(60):
        assert b" 200 " in await reader.readline()
        while measured.services.readings.exports:
            await asyncio.sleep(0)  # until it gives up
            assert not writer.is_closing()
    writer.transport.abort()
