"""The line on top: how the fleet is and how old what you see is. Pure."""

from __future__ import annotations

from api_server import FixtureApi

from tests.tui.test_app import MakeApp, said, wait_until


async def test_a_running_campaign_is_said_on_top(make_app: MakeApp, api: FixtureApi) -> None:
    api.documents["health"] |= {"campaigns": {"scheduled": 1, "running": 2}}
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert "2 campaigns running" in said(app, "#heading-left")
