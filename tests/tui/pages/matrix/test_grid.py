"""The grid of a matrix: its cursor, what a refresh keeps, what it draws."""

from __future__ import annotations

from itertools import pairwise

from textual.app import App, ComposeResult

from tui import documents as doc
from tui.fleet import Fleet
from tui.look import Look
from tui.pages.matrix.grid import Grid
from tui.pages.matrix.model import ROW_HEAD_CELLS, MatrixView, build
from tui.words import Words


def view_of(*sites: str) -> MatrixView:
    """Return a matrix where every site has passed to the next one."""
    verdicts = tuple(
        doc.Verdict(target="t", path=f"{a}>{b}", source_site=a, destination_site=b, verdict="pass")
        for a, b in pairwise(sites)
    )
    return build(Fleet(sites=tuple(doc.Site(name=each) for each in sites), verdicts=verdicts), None)


class Shown(App[None]):
    """An application of one grid."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = Grid()
        self.chosen: list[tuple[int, int]] = []

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.grid.focus()

    def show(self, view: MatrixView) -> None:
        self.grid.show(view, list(view.sites), Look(words=Words()))

    def on_grid_chosen(self, _event: Grid.Chosen) -> None:
        self.chosen.append(self.place)

    @property
    def place(self) -> tuple[int, int]:
        return self.grid.row, self.grid.column

    def lines(self) -> list[str]:
        return [self.grid.render_line(y).text.rstrip() for y in range(self.grid.size.height)]


async def test_keys_move_the_cursor_by_rows_and_columns_within_the_sites() -> None:
    app = Shown()
    async with app.run_test(size=(80, 20)) as pilot:
        app.show(view_of("a", "b", "c"))
        await pilot.press("down", "right", "right", "right")
        assert app.place == (1, 2)
        await pilot.press("pagedown", "left")
        assert app.place == (2, 1)
        await pilot.press("home", "end")
        assert app.place == (2, 2)


async def test_a_refresh_keeps_the_cursor_on_its_pair() -> None:
    app = Shown()
    async with app.run_test(size=(80, 20)) as pilot:
        app.show(view_of("a", "b", "c"))
        await pilot.press("right", "right")
        app.show(view_of("x", "a", "b", "c"))
        assert app.place == (1, 3)
        app.show(view_of("x", "y"))
        assert app.place == (1, 1)


async def test_the_cursor_stays_in_sight_of_many_sites() -> None:
    names = [f"s{number:03}" for number in range(200)]
    app = Shown()
    async with app.run_test(size=(60, 20)) as pilot:
        app.show(view_of(*names))
        await pilot.pause()
        await pilot.press(*["pagedown"] * 15, "end", "left")
        shown = "\n".join(app.lines())
        assert app.place == (150, 198)
        assert "s150" in shown
        assert "s000" not in shown
        assert "[ ]" in shown  # the cursor's cell, of a pair of which nothing is asked


async def test_enter_and_a_second_click_open_a_pair() -> None:
    app = Shown()
    async with app.run_test(size=(80, 20)) as pilot:
        app.show(view_of("a", "b", "c"))
        await pilot.press("enter")
        at = (ROW_HEAD_CELLS + 10, 2)  # under one line of heads: second row, second column
        await pilot.click(app.grid, offset=at)
        assert (app.place, app.chosen) == ((1, 1), [(0, 0)])
        await pilot.click(app.grid, offset=at, times=2)
        assert app.chosen == [(0, 0), (1, 1)]


async def test_a_matrix_without_sites_is_blank_and_opens_nothing() -> None:
    app = Shown()
    async with app.run_test(size=(80, 20)) as pilot:
        app.show(view_of())
        await pilot.press("down", "right", "enter")
        assert set(app.lines()) == {""}
        assert app.chosen == []


async def test_a_site_is_not_measured_to_itself() -> None:
    app = Shown()
    async with app.run_test(size=(80, 20)) as pilot:
        app.show(view_of("a", "b", "c"))
        await pilot.pause()
        row = next(line for line in app.lines() if line.startswith(" b"))
        assert row.split() == ["b", "╲", "✓"]
