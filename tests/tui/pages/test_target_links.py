"""From a target or a group its paths and its matrix are one key away."""

from __future__ import annotations

import pytest

from tests.tui.test_app import MakeApp, wait_until
from tui.pages.matrix.page import MatrixPage
from tui.pages.overview.page import OverviewPage
from tui.pages.paths.page import PathsPage


@pytest.mark.parametrize(
    ("name", "filter_text", "matrix"),
    [
        ("yancheng-city", "target:yancheng-city", "yancheng-city"),
        ("group:jiangsu-circles", "target:jiangsu-circle-", "jiangsu-circle-1"),
    ],
)
async def test_the_paths_and_the_matrix_of_what_is_under_the_cursor_are_opened(
    make_app: MakeApp, name: str, filter_text: str, matrix: str
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(pilot, lambda: app.is_settled)
        assert app.query_one(OverviewPage).table.go_to(name)
        await pilot.press("p")
        assert app.view == "paths"
        assert app.query_one(PathsPage).filter_text == filter_text
        await pilot.press("1", "m")
        assert app.view == "matrix"
        assert app.query_one(MatrixPage).target == matrix
