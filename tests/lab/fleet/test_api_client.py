"""The lab asks the controller page by page, and knows when it has not been told everything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from foundation.errors import ResourceError
from lab.fleet.api_client import ApiClient
from lab.fleet.stored import read_stored


class Controller:
    """Has two pages of paths, of which it may withhold the second, and one window of each path."""

    withheld = False

    async def paths(self, request: web.Request) -> web.Response:
        if "after" not in request.query:
            return web.json_response({"items": [{"id": "a>b"}], "next": "more"})
        if self.withheld:
            raise web.HTTPServiceUnavailable
        return web.json_response({"items": [{"id": "b>a"}], "next": None})

    async def windows(self, request: web.Request) -> web.Response:
        ahead = int(request.query["to_ns"]) == (1 << 63) - 1  # a clock may be ahead of ours
        flows = [{"rtt_p50_ns": 3.0}, {"rtt_p50_ns": None}, {"rtt_p50_ns": 5.0}]
        window = {
            "stream_id": str((1 << 64) - 1),
            "start_ns": int(request.query["from_ns"]),
            "duration_ns": 10,
            "sent": 4,
            "received_ns": 20,
            "suspect": False,
            "flows": flows if request.query["path"] == "a>b" else [],
        }
        return web.json_response({"items": [window] * ahead, "next": None})


@pytest.fixture
async def controller(tmp_path: Path) -> AsyncIterator[tuple[Controller, str]]:
    """Give a controller and where it answers."""
    controller, application = Controller(), web.Application()
    application.router.add_get("/api/v1/paths", controller.paths)
    application.router.add_get("/api/v1/windows", controller.windows)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "s").start()
    yield controller, f"unix://{tmp_path / 's'}"
    await runner.cleanup()


async def test_a_list_comes_page_by_page(controller: tuple[Controller, str]) -> None:
    async with ApiClient(controller[1]) as api:
        assert [path["id"] for path in await api.items("paths")] == ["a>b", "b>a"]


async def test_a_list_that_breaks_off_is_no_whole_list(controller: tuple[Controller, str]) -> None:
    controller[0].withheld = True
    async with ApiClient(controller[1]) as api:
        assert [path["id"] for path in await api.items("paths")] == ["a>b"]
        with pytest.raises(ResourceError, match="paths"):
            await api.items("paths", whole=True)
        with pytest.raises(ResourceError):
            await read_stored(api)


async def test_windows_of_all_paths_and_any_time_are_read(
    controller: tuple[Controller, str],
) -> None:
    async with ApiClient(controller[1]) as api:
        stored = await read_stored(api)
    assert stored.stream_id.tolist() == [(1 << 64) - 1] * 2
    assert stored.sent.tolist() == [4, 4]
    assert str(stored.rtt_p50_ns.tolist()) == "[4.0, nan]"
