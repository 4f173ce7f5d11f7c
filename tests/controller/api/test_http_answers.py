"""Answers: pages that join, cursors of our own alone, what browsers may do, what is compressed."""

import base64
import hashlib
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from controller.api.application import make_app
from controller.api.error_answers import ApiError
from controller.api.http_answers import (
    NOTHING,
    download,
    json_answer,
    page_of,
    page_policy,
    read_cursor,
    write_cursor,
)
from foundation.number_types import LARGEST

PAGE = "<html><style>b { color: red }</style><style>i { color: url(//x) }</style></html>"


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/api/v1/health", "/api/v1/nothing", "/api/v1/openapi.json"]
)
async def test_every_answer_and_every_refusal_has_the_rules(controller: Any, path: str) -> None:
    async with controller.session.get(f"http://controller{path}") as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == NOTHING


async def test_an_export_is_a_download(controller: Any) -> None:
    path = "/api/v1/export?from_ns=0&to_ns=10&format=csv"
    async with controller.session.get(f"http://controller{path}") as answer:
        assert answer.headers["Content-Disposition"] == (
            'attachment; filename="isochrone-window-0-10.csv"'
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == NOTHING


def test_a_page_is_styled_by_its_first_styles_alone() -> None:
    digest = base64.b64encode(hashlib.sha256(b"b { color: red }").digest()).decode()
    assert page_policy(PAGE) == f"{NOTHING}; style-src 'sha256-{digest}'"
    assert page_policy("<html></html>") == NOTHING


def test_no_name_leaves_its_header_or_its_folder() -> None:
    assert download('a"b\r\nSet-Cookie: x') == 'attachment; filename="a-b-Set-Cookie-x"'
    assert download("../../.profile") == 'attachment; filename="profile"'
    assert download("苏州") == 'attachment; filename="file"'


async def test_long_answers_are_compressed_for_those_who_accept_it(measured: Any) -> None:
    path = "/api/v1/openapi.json"
    token = measured.services.access.create_api_token("viewer", "x", None)
    runner = web.AppRunner(make_app(measured.services))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                body = await answer.read()
            async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers
                assert await answer.read() == body
    finally:
        await runner.cleanup()
    # On this machine's own socket it would only take time.
    async with measured.session.get(f"http://controller{path}") as answer:
        assert "Content-Encoding" not in answer.headers


@given(st.lists(st.integers()), st.integers(1, 7))
def test_pages_join_to_the_whole(items: list[int], limit: int) -> None:
    seen: list[int] = []
    after: str | None = None
    while True:
        page, after = page_of(items, limit, after)
        assert len(page) <= limit
        seen += page
        if after is None:
            break
    assert seen == items


@given(st.integers(0, LARGEST))
def test_a_cursor_is_read_as_it_was_written(number: int) -> None:
    assert read_cursor(write_cursor("e", number), "e", 0) == number


@pytest.mark.parametrize("cursor", ["", "!", "ZQ", write_cursor("a", 5), write_cursor("e", -1)])
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_cursor(cursor, "e", 0)
    assert (caught.value.status, caught.value.code) == (400, "bad_cursor")


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    assert read_cursor(None, "e", 17) == 17


def test_what_is_no_number_is_null_in_json() -> None:
    answer = json_answer({"a": float("nan")}, 201)
    assert (answer.status, answer.body) == (201, b'{"a":null}')


def test_cursor_beyond_every_number_is_none_of_ours() -> None:
    assert read_cursor(write_cursor("a", (1 << 63) - 1), "a", 0) == (1 << 63) - 1
    with pytest.raises(ApiError):
        read_cursor(write_cursor("a", 1 << 63), "a", 0)
