"""The matrix panel: site × site verdicts of one target, and the pair under the cursor."""

from __future__ import annotations

from tests.tui.test_app import MakeApp, wait_until
from tui.pages.matrix.page import MatrixPage
from tui.pages.overview.page import OverviewPage


async def test_m_on_a_target_opens_its_matrix(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        app.query_one(OverviewPage).table.go_to("jiangsu-circle-3")
        await pilot.press("m")
        assert app.view == "matrix"
        assert app.query_one(MatrixPage).target == "jiangsu-circle-3"
