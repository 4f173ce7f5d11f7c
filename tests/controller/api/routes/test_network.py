"""The network that is measured: in the order of the site file, page after page."""

from typing import Any

import pytest


async def test_meshes_say_how_much_of_them_is_measured(controller: Any) -> None:
    (mesh,) = (await controller.get("/api/v1/meshes"))["items"]
    assert (mesh["name"], mesh["pairs"], mesh["coverage_ratio"]) == ("all", 3, 1.0)


async def test_sites_stand_as_in_the_site_file(controller: Any) -> None:
    page = await controller.get("/api/v1/sites?limit=2")
    assert [site["name"] for site in page["items"]] == ["nanjing", "suzhou"]
    rest = await controller.get(f"/api/v1/sites?after={page['next']}")
    assert [site["name"] for site in rest["items"]] == ["router"]


@pytest.mark.parametrize("route", ["paths", "streams"])
async def test_paths_and_streams_stand_as_in_the_plan(controller: Any, route: str) -> None:
    scope = controller.services.readings.snapshots.now().scope
    items = (await controller.get(f"/api/v1/{route}"))["items"]
    if route == "paths":
        assert [item["id"] for item in items] == [path.id for path in scope.catalogue.paths]
    else:
        assert [int(item["stream_id"]) for item in items] == scope.stream_ids
