"""The agents panel: a table, and what the agent under the cursor reports."""

from __future__ import annotations

from tests.tui.test_app import MakeApp, said, wait_until
from tui.pages.agents.page import AgentsPage
from tui.pages.paths.page import PathsPage


async def test_who_is_in_trouble_comes_first_and_its_conditions_are_told(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=(160, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("4")
        table = app.query_one(AgentsPage).table
        assert [row.agent.state for row in table.rows][:3] == ["agent_down", "late", "never_seen"]
        assert table.go_to("taizhou")
        await wait_until(
            pilot, lambda: "The clock is not synchronised" in said(app, "#agent-detail")
        )
        assert table.go_to("hangzhou")
        await wait_until(pilot, lambda: "has not reported" in said(app, "#agent-detail"))


async def test_enter_lists_the_paths_of_the_agents_site(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(160, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        await pilot.press("4")
        app.query_one(AgentsPage).table.go_to("wuxi")
        await pilot.press("enter")
        assert app.view == "paths"
        rows = app.query_one(PathsPage).table.rows
        assert rows
        assert all("wuxi" in (r.path.source.site, r.path.destination.site) for r in rows)
