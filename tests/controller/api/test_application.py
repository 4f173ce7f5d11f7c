"""The API over a real server on a unix socket, with a real database."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from controller.api.application import make_app
from controller.api.routes import ROUTES
from controller.live.warm_start import REMEMBERED_AT_ONCE

REFERENCE = (Path(__file__).parents[3] / "docs/reference/api.md").read_text(encoding="utf-8")
SECOND = 1_000_000_000


def described(item: str) -> set[str]:
    """Return the names of the fields that the reference gives an item, first level."""
    text = re.search(rf"^\*\*{item}\*\*.*?: `(.*?)(?=\n\n|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert text is not None
    flat = re.sub(r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", text[1].split("`\n`ratio`")[0]))
    flat = re.sub(r"\([^()]*\)", "", flat.replace("`", ""))
    flat = re.sub(r"\[[^\[\]]*\]", "", flat)
    names = {part.strip(" .\n").split(" ")[0] for part in re.split(r"[,|]", flat)}
    return names - {"", "null"}


def stream_ids(controller: Any, agent: str, protocol: str = "udp") -> list[int]:
    return [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == agent and stream.type_p.protocol == protocol
    ]


@pytest.fixture
async def measured(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> Any:
    """A controller that holds three windows of nanjing and has judged them."""
    now_ns = controller.services.clock.wall_ns()
    for i in range(3):
        start_ns = now_ns - (3 - i) * 10 * SECOND
        batch = batch_of(stream_ids(controller, "nanjing"), start_ns, sent=100, rtt_ns=4e6)
        await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=i))
    await controller.judge()
    return controller


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


async def test_alive(controller: Any) -> None:
    assert await controller.get("/healthz") == {"status": "ok"}


async def test_health_counts_what_was_taken_and_refused(measured: Any) -> None:
    await measured.deliver("nanjing", b"rubbish", 400)
    health = await measured.get("/api/v1/health")
    assert health["ingest"]["windows"] == 3 * len(stream_ids(measured, "nanjing"))
    assert health["ingest"]["refused"] == {"malformed_chunk": 1}
    assert health["store"]["state"] == "ok"
    assert health["agents"] == {
        "ok": 1,
        "late": 0,
        "no_data": 0,
        "agent_down": 0,
        "never_seen": 1,
        "maintenance": 0,
    }


async def test_sites_say_how_their_agents_are(measured: Any) -> None:
    sites = {item["name"]: item for item in (await measured.get("/api/v1/sites"))["items"]}
    assert {name: item["agent_state"] for name, item in sites.items()} == {
        "nanjing": "ok",
        "suzhou": "never_seen",
        "router": "none",
    }


async def test_silent_agent_is_late_and_then_down(measured: Any, clock: Any) -> None:
    states = []
    for seconds in (0, 30, 40):
        clock.now_ns += seconds * SECOND
        items = (await measured.get("/api/v1/agents"))["items"]
        states.append(items[0]["state"])
    assert states == ["ok", "late", "agent_down"]


async def test_agent_counts_its_windows(measured: Any) -> None:
    agent = (await measured.get("/api/v1/agents"))["items"][0]
    assert agent["windows_stored"] == 3 * len(stream_ids(measured, "nanjing"))
    assert agent["last_window_ns"] == measured.services.clock.wall_ns()
    assert agent["health"] is None


async def test_circle_of_five_is_kept_by_two_milliseconds_one_way(measured: Any) -> None:
    page = await measured.get("/api/v1/verdicts?target=jiangsu-circle-5&verdict=pass")
    assert len(page["items"]) == len(stream_ids(measured, "nanjing"))
    for item in page["items"]:
        assert item["source_site"] == "nanjing"
        assert item["protocol"] == "udp"
        assert item["low"] <= 2e6 <= item["high"] <= 5e6
        assert item["measured"] == pytest.approx(2e6, rel=0.01)
        assert item["reason"]["zh"]


async def test_targets_count_what_the_verdicts_say(measured: Any) -> None:
    targets = {item["name"]: item for item in (await measured.get("/api/v1/targets"))["items"]}
    target = targets["jiangsu-circle-5"]
    paths = len(stream_ids(measured, "nanjing"))
    assert target["counts"]["pass"] == paths
    assert target["compliance"]["ratio"] == 1.0
    assert target["compliance"]["low"] < 1.0
    assert sum(target["counts"].values()) == target["paths"]


async def test_matrix_shows_the_worst_verdict_of_each_pair(measured: Any) -> None:
    matrix = await measured.get("/api/v1/matrix?target=jiangsu-circle-5")
    assert matrix["sites"] == ["nanjing", "suzhou", "router"]
    cells = matrix["cells"]
    assert cells[0][1]["verdict"] == "pass"
    assert cells[0][1]["paths"] == len(stream_ids(measured, "nanjing"))
    assert cells[1][0]["verdict"] == "no_data"
    assert cells[0][0] is None


async def test_path_shows_its_figures_and_state(measured: Any, clock: Any) -> None:
    paths = {item["id"]: item for item in (await measured.get("/api/v1/paths"))["items"]}
    path = paths["nanjing.telecom.v4>suzhou.telecom.v4"]
    figures = path["figures"]["udp"]
    assert (figures["sent"], figures["lost"], figures["loss_ratio"]) == (300, 0, 0)
    assert figures["rtt_p50_ns"] == 4e6
    assert figures["forward_p95_ns"] == 2e6
    assert figures["timestamping"] == "kernel"
    assert path["figures"]["icmp"]["rtt_p50_ns"] is None
    assert path["state"] in ("ok", "failing")
    assert paths["suzhou.telecom.v4>nanjing.telecom.v4"]["state"] == "no_data"
    clock.now_ns += 59 * SECOND
    paths = {item["id"]: item for item in (await measured.get("/api/v1/paths"))["items"]}
    assert paths[path["id"]]["state"] == "late"


async def test_windows_come_back_with_their_figures_oldest_first(measured: Any) -> None:
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    items = (await measured.get(f"/api/v1/windows?path={path}&protocol=udp"))["items"]
    starts = [item["start_ns"] for item in items]
    assert starts == sorted(starts)
    assert len(items) == 3
    assert items[0]["sent"] == 100
    assert items[0]["rtt_p50_ns"] == items[0]["rtt_mean_ns"] == 4e6
    assert items[0]["backward_p50_ns"] == 2e6
    assert items[0]["flows"] == [{"flow": 0, "sent": 100, "lost": 0, "rtt_p50_ns": 4e6}]


async def test_one_way_delays_of_windows_say_whether_a_clock_stands_behind_them(
    measured: Any,
) -> None:
    path = "nanjing.telecom.v4>suzhou.telecom.v4"
    items = (await measured.get(f"/api/v1/windows?path={path}"))["items"]
    for item in items:
        bound = item["clock_bound_ns"]
        ways = [item[f"relative_{way}_p50_ns"] for way in ("forward", "backward")]
        if item["forward_mean_ns"] is None:
            assert item["one_way"] == "none"
        else:
            assert item["one_way"] == ("relative" if bound is None else "absolute")
        assert (ways == [None, None]) == (item["one_way"] != "relative")


async def test_window_in_which_everything_is_lost_has_no_delay(
    controller: Any, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> None:
    ids = stream_ids(controller, "nanjing")
    batch = batch_of(ids, controller.services.clock.wall_ns() - 10 * SECOND, sent=5, lost=5)
    await controller.deliver("nanjing", chunk_of(batch, agent="nanjing", sequence=0))
    path = controller.services.rounds.scope.streams[0].path.id
    item = (await controller.get(f"/api/v1/windows?path={path}"))["items"][0]
    assert item["loss_ratio"] == 1.0
    assert item["rtt_p50_ns"] is None
    assert item["rtt_mean_ns"] is None


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


async def test_pages_of_windows_join_to_the_whole(measured: Any) -> None:
    path = measured.services.rounds.scope.streams[0].path.id
    whole = (await measured.get(f"/api/v1/windows?path={path}"))["items"]
    seen: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await measured.get(
            f"/api/v1/windows?path={path}&limit=1{cursor and '&after=' + cursor}"
        )
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


async def test_chunk_of_another_content_type_is_refused(controller: Any) -> None:
    address = "http://controller/api/v1/agents/nanjing/chunks"
    async with controller.session.post(address, data=b"x") as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "wrong_content_type"


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


async def test_events_tell_of_every_round(controller: Any) -> None:
    async with controller.session.ws_connect("http://controller/api/v1/events") as socket:
        assert await socket.receive_json() == {"type": "verdicts", "revision": 0}
        await controller.judge()
        assert await socket.receive_json() == {"type": "verdicts", "revision": 1}


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


async def test_verdict_keeps_its_age_over_a_restart(open_controller: Any, clock: Any) -> None:
    async with open_controller() as first:
        await first.judge()
        since_ns = (await first.get("/api/v1/verdicts"))["items"][0]["since_ns"]
    clock.now_ns += 3600 * SECOND
    async with open_controller() as second:
        await second.judge()
        assert (await second.get("/api/v1/verdicts"))["items"][0]["since_ns"] == since_ns
