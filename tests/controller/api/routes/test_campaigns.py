"""Campaigns created, listed, cancelled once; a name means one."""

from typing import Any

from tests.controller.campaigns.campaign_calls import (
    SECOND_NS,
    asked,
    cancel,
    post,
    show,
    states_of,
)


async def test_campaigns_are_listed_cancelled_once_and_a_name_means_one(
    controller: Any, clock: Any
) -> None:
    begin_ns = clock.now_ns + 100 * SECOND_NS
    for name in ("a", "b", "c"):
        made = await post(controller, asked(name, begin_ns=begin_ns))
        assert made["created_by"].startswith("owner uid")
    assert (await post(controller, asked("a"), 409))["error"]["code"] == "name_in_use"
    page = await controller.get("/api/v1/campaigns?limit=2")
    assert [item["name"] for item in page["items"]] == ["a", "b"]
    rest = await controller.get(f"/api/v1/campaigns?limit=2&after={page['next']}")
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["c"], None)
    assert (await cancel(controller, "b"))["state"] == "cancelled"
    assert (await cancel(controller, "b", 409))["error"]["code"] == "already_over"
    assert (await cancel(controller, "d", 404))["error"]["code"] == "unknown_campaign"
    found = await controller.get("/api/v1/campaigns?state=scheduled")
    assert [item["name"] for item in found["items"]] == ["a", "c"]
    clock.now_ns = begin_ns
    await controller.services.scheduler.look()
    assert (await show(controller, "b"))["state"] == "cancelled"
    assert await states_of(controller, "b") == ["scheduled", "cancelled"]
