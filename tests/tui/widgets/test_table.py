"""A table of any length: its cursor, what a refresh keeps, what it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from textual.app import App, ComposeResult

from tui.look import Look
from tui.rows import Column, Spans, plain
from tui.widgets.table import Table
from tui.words import Words

COLUMNS = (
    Column(key="name", title="Agent", width=8),
    Column(key="extra", title="Site", width=12, rank=1),
)


@dataclass(frozen=True)
class Row:
    key: str


def rows_of(*keys: str) -> list[Row]:
    return [Row(key) for key in keys]


class Shown(App[None]):
    """An application of one table."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Table[Row] = Table(COLUMNS)
        self.moved: list[str | None] = []
        self.chosen: list[str] = []
        self.drawn: set[str] = set()

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()

    def show(self, rows: Sequence[Row], **more: str) -> None:
        self.table.show(rows, self.cell, Look(words=Words()), **more)  # type: ignore[arg-type]

    def cell(self, row: Row, column: str, _width: int) -> Spans:
        self.drawn.add(row.key)
        return plain(f"{column} {row.key}")

    def on_table_moved(self, event: Table.Moved) -> None:
        self.moved.append(self.table.current.key if self.table.current else None)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        assert self.table.current is not None
        self.chosen.append(self.table.current.key)

    def line(self, y: int) -> str:
        return self.table.render_line(y).text.rstrip()


async def test_keys_move_the_cursor_and_stop_at_both_ends() -> None:
    app = Shown()
    async with app.run_test(size=(40, 12)) as pilot:
        app.show(rows_of(*map(str, range(100))))
        await pilot.press("up", "down", "j", "k", "end", "down")
        assert app.table.cursor == 99
        await pilot.press("pageup", "home")
        assert app.table.cursor == 0
        assert app.moved[-1] == "0"


async def test_a_refresh_keeps_the_cursor_on_its_row_and_says_when_that_is_gone() -> None:
    app = Shown()
    async with app.run_test(size=(40, 12)) as pilot:
        app.show(rows_of("a", "b", "c"))
        await pilot.press("down")
        app.moved.clear()
        app.show(rows_of("x", "y", "a", "b"))
        await pilot.pause()
        assert (app.table.current, app.table.cursor) == (Row("b"), 3)
        assert app.moved == []
        app.show(rows_of("x"))
        await pilot.pause()
        assert app.moved == ["x"]


async def test_a_row_is_gone_to_by_its_key() -> None:
    app = Shown()
    async with app.run_test(size=(40, 6)) as pilot:
        app.show(rows_of(*map(str, range(1000))))
        assert app.table.go_to("777")
        await pilot.pause()
        assert app.table.current == Row("777")
        assert not app.table.go_to("none")
        assert app.table.current == Row("777")
        assert any("name 777" in app.line(y) for y in range(6))


async def test_only_rows_in_sight_are_drawn() -> None:
    app = Shown()
    async with app.run_test(size=(40, 12)) as pilot:
        app.show(rows_of(*map(str, range(10_000))))
        await pilot.pause()
        assert app.drawn
        assert len(app.drawn) <= 12


async def test_enter_and_a_second_click_open_a_row_and_one_click_does_not() -> None:
    app = Shown()
    async with app.run_test(size=(40, 12)) as pilot:
        app.show(rows_of("a", "b", "c"))
        await pilot.press("enter")
        await pilot.click(app.table, offset=(3, 2))  # under the head: the second row
        assert (app.table.current, app.chosen) == (Row("b"), ["a"])
        await pilot.click(app.table, offset=(3, 2), times=2)
        assert app.chosen == ["a", "b"]
        await pilot.click(app.table, offset=(3, 9), times=2)  # where no row is
        assert (app.table.current, app.chosen) == (Row("b"), ["a", "b"])


async def test_an_empty_table_says_why_and_opens_nothing() -> None:
    app = Shown()
    async with app.run_test(size=(40, 12)) as pilot:
        app.show([], empty="No agents.")
        await pilot.press("enter", "down", "end")
        assert app.line(2) == "  No agents."
        assert app.table.current is None
        assert app.chosen == []


@pytest.mark.parametrize(("width", "columns"), [(40, ("name", "extra")), (20, ("name",))])
async def test_columns_without_room_are_left_out(width: int, columns: tuple[str, ...]) -> None:
    app = Shown()
    async with app.run_test(size=(width, 8)) as pilot:
        app.show(rows_of("a"), marks={"name": "↓"})  # type: ignore[arg-type]
        await pilot.pause()
        assert app.table.columns_shown == columns
        assert app.line(0).split()[0] == "Agent↓"
        assert ("extra a" in app.line(1)) == ("extra" in columns)
