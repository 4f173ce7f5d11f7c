"""A browser shows nothing active in our answers, guesses no type and keeps no copy."""

import base64
import hashlib
from typing import Any

import pytest

from controller.api.browser_rules import NOTHING, download, page_policy

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
