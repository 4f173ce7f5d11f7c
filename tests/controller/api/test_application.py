"""The API over a real server on a unix socket, with a real database."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.api.routes import ROUTES
from controller.live.warm_start import REMEMBERED_AT_ONCE
from tests.controller.api.conftest import stream_ids

REFERENCE = (Path(__file__).parents[3] / "docs/reference/api.md").read_text(encoding="utf-8")
SECOND = 1_000_000_000


def described(item: str) -> set[str]:
    """Return the names of the fields that the reference gives an item, first level."""
    text = re.search(rf"^\*\*{item}\*\*.*?: `(.*?)(?=\n\n|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert text is not None
    flat = re.sub(r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", text[1].split("\n`ratio`")[0]))
    flat = re.sub(r"\([^()]*\)", "", flat.replace("`", ""))
    flat = re.sub(r"\[[^\[\]]*\]", "", flat)
    names = {part.strip(" .\n").split(" ")[0] for part in re.split(r"[,|]", flat)}
    return names - {"", "null"}


ITEMS = {
    "site": "/api/v1/sites",
    "agent": "/api/v1/agents",
    "target": "/api/v1/targets",
    "path": "/api/v1/paths",
    "verdict": "/api/v1/verdicts",
}


@pytest.mark.parametrize("item", ITEMS)
async def test_items_are_as_the_reference_says(measured: Any, item: str) -> None:
    first = (await measured.get(ITEMS[item]))["items"][0]
    assert described(item) == set(first)


async def test_windows_are_as_the_reference_says(measured: Any) -> None:
    path = measured.services.rounds.scope.streams[0].path.id
    items = (await measured.get(f"/api/v1/windows?path={path}"))["items"]
    assert described("window") == set(items[0])


def test_every_served_route_stands_in_the_reference() -> None:
    for route in ROUTES:
        assert f"{route.path.removeprefix('/api/v1')}" in REFERENCE, route.path


@pytest.mark.parametrize("route", ["sites", "paths", "streams", "verdicts", "targets", "states"])
async def test_pages_join_to_the_whole(measured: Any, route: str) -> None:
    whole = (await measured.get(f"/api/v1/{route}"))["items"]
    seen: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await measured.get(f"/api/v1/{route}?limit=2{cursor and '&after=' + cursor}")
        assert len(page["items"]) <= 2
        seen += page["items"]
        cursor = page["next"]
    assert seen == whole


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/api/v1/verdicts?target=nope", 404, "unknown_target"),
        ("/api/v1/verdicts?site=nope", 404, "unknown_site"),
        ("/api/v1/verdicts?path=nope", 404, "unknown_path"),
        ("/api/v1/verdicts?verdict=nope", 400, "bad_query"),
        ("/api/v1/matrix?target=nope", 404, "unknown_target"),
        ("/api/v1/windows", 400, "missing_parameter"),
        ("/api/v1/windows?path=nope", 404, "unknown_path"),
        ("/api/v1/windows?path=x&from_ns=-1", 400, "bad_query"),
        ("/api/v1/sites?limit=0", 400, "bad_query"),
        ("/api/v1/sites?limit=10001", 400, "bad_query"),
        ("/api/v1/sites?colour=red", 400, "bad_query"),
        ("/api/v1/sites?after=%21", 400, "bad_cursor"),
        ("/api/v1/sites?after=djA", 400, "bad_cursor"),
        ("/api/v1/nowhere", 404, "not_found"),
        ("/api/v1/agents/nope/control", 404, "unknown_agent"),
        ("/api/v1/agents/nanjing/chunks", 405, "method_not_allowed"),
    ],
)
async def test_every_error_has_the_one_shape(
    controller: Any, address: str, status: int, code: str
) -> None:
    error = (await controller.get(address, status))["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "fields"}
    assert error["message"]["en"]
    assert error["message"]["zh"]


@pytest.mark.parametrize("remembered_at_once", [0, REMEMBERED_AT_ONCE])
async def test_restarted_controller_judges_the_same(
    open_controller: Any,
    batch_of: Callable[..., Any],
    chunk_of: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    remembered_at_once: int,
) -> None:
    monkeypatch.setattr("controller.live.warm_start.REMEMBERED_AT_ONCE", remembered_at_once)
    async with open_controller() as first:
        now_ns = first.services.clock.wall_ns()
        for i in range(20):
            ids = stream_ids(first, "nanjing")
            batch = batch_of(ids, now_ns - (20 - i) * 10 * SECOND, lost=i % 3, rtt_ns=4e6 + i * 1e5)
            await first.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=i))
        await first.judge()
        before = first.services.rounds.live.latest
        shown = await first.get("/api/v1/verdicts")
        paths = await first.get("/api/v1/paths")
    async with open_controller() as second:
        await second.judge()
        after = second.services.rounds.live.latest
        for name in ("verdict", "measured", "low", "high", "sent", "lost"):
            one, other = (getattr(found.judgements, name) for found in (before, after))
            assert np.array_equal(one, other, equal_nan=True), name
        assert await second.get("/api/v1/verdicts") == shown
        assert await second.get("/api/v1/paths") == paths
