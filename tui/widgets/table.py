"""A table that draws only the rows in sight.

Ten thousand rows cost as much as twenty: rows are the model's own objects, and a cell's text is
made when its line is drawn. A refresh hands over new rows; cursor (by key) and scroll stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.figures import fit, fit_right
from tui.look import Look
from tui.rows import Column, Spans, lay_out
from tui.words import Words


class Keyed(Protocol):
    """A row knows its key."""

    @property
    def key(self) -> str:
        """Stable name of the row."""


R = TypeVar("R", bound=Keyed)
CellMaker = Callable[[R, str, int], Spans]

GUTTER = 2  # the cursor's mark


class Table(ScrollView, Generic[R], can_focus=True):
    """Rows under a fixed head, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--cursor", "table--head", "table--blurred"}
    DEFAULT_CSS = """
    Table { height: 1fr; background: $background; scrollbar-size-horizontal: 0;
            scrollbar-size-vertical: 1; }
    Table > .table--head { color: $primary; text-style: bold; background: $panel; }
    Table > .table--cursor { background: $boost; }
    Table > .table--blurred { background: $panel; }
    """

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, table: ScrollView) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> ScrollView:
            """The table."""
            return self.table

    class Chosen(Moved):
        """Enter was pressed, or a row clicked twice."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._rows: Sequence[R] = ()
        self._cell: CellMaker[R] | None = None
        self._look = Look(words=Words())
        self._laid: tuple[tuple[Column, int], ...] = ()
        self._marks: dict[str, str] = {}
        self.empty_text = ""
        self.cursor = 0

    @property
    def rows(self) -> Sequence[R]:
        """The rows shown."""
        return self._rows

    @property
    def current(self) -> R | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if 0 <= self.cursor < len(self._rows) else None

    @property
    def columns_shown(self) -> tuple[str, ...]:
        """Keys of the columns that the width has room for."""
        return tuple(column.key for column, _ in self._laid)

    def show(
        self,
        rows: Sequence[R],
        cell: CellMaker[R],
        look: Look,
        *,
        empty: str = "",
        marks: dict[str, str] | None = None,
    ) -> None:
        """Show `rows`; `marks` are signs behind column heads, such as the sort arrow."""
        before = self.current
        offset = self.cursor - round(self.scroll_y)
        self._rows, self._cell, self._look = rows, cell, look
        self.empty_text, self._marks = empty, marks or {}
        if before is not None:
            key = before.key
            found = next((i for i, row in enumerate(rows) if row.key == key), None)
            if found is None:
                self.cursor = max(0, min(self.cursor, len(rows) - 1))
            elif found != self.cursor:
                self.cursor = found
        self._measure()
        if before is not None and 0 <= offset < self._page_rows:
            self.scroll_to(y=self.cursor - offset, animate=False, immediate=True)
        self.refresh()
        after = self.current
        if (after and after.key) != (before and before.key):
            self.post_message(self.Moved(self))

    def go_to(self, key: str) -> bool:
        """Put the cursor on the row `key`; return whether there is one."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go(index)
                return True
        return False

    @property
    def _page_rows(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    @property
    def _gap(self) -> int:
        return 2 if self.size.width >= 130 else 1

    def _measure(self) -> None:
        width = self.scrollable_content_region.width or self.size.width
        self._laid = lay_out(self._columns, max(1, width - GUTTER - 1), self._gap)
        self.virtual_size = Size(width, len(self._rows) + 1)

    def on_resize(self, _event: Resize) -> None:
        """Choose the columns again."""
        self._measure()
        self.call_after_refresh(self._show_cursor)
        self.refresh()

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self._go(self.cursor + by * max(1, self._page_rows - 1))

    def action_first(self) -> None:
        """Go to the first row."""
        self._go(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self._go(len(self._rows) - 1)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Chosen(self))

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click opens."""
        line = event.y - 1
        index = line + round(self.scroll_y)
        if line < 0 or not 0 <= index < len(self._rows):
            return
        again = index == self.cursor and event.chain > 1
        self._go(index)
        if again:
            self.action_choose()

    def on_focus(self) -> None:
        """Draw the cursor bright."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor dim."""
        self.refresh()

    def _go(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        if index != self.cursor:
            self.cursor = index
            self.post_message(self.Moved(self))
        self._show_cursor()
        self.refresh()

    def _show_cursor(self) -> None:
        top = round(self.scroll_y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + self._page_rows:
            self.scroll_to(y=self.cursor - self._page_rows + 1, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line: the head, a row, or the sentence for an empty table."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self._head(width)
        index = y - 1 + round(self.scroll_y)
        if index < len(self._rows):
            return self._row(index, width)
        text = f"  {self.empty_text}" if not self._rows and y == 2 else ""
        style = Style.parse(self._look.palette.style("dim"))
        return Strip([Segment(fit(text, width), self.rich_style + style)], width)

    def _head(self, width: int) -> Strip:
        style = self.get_component_rich_style("table--head")
        text = " " * GUTTER
        for number, (column, cells) in enumerate(self._laid):
            title = self._look.words(column.title) + self._marks.get(column.key, "")
            fitted = fit_right(title, cells) if column.align == "right" else fit(title, cells)
            text += (" " * self._gap if number else "") + fitted
        return Strip([Segment(fit(text, width), style)], width)

    def _row(self, index: int, width: int) -> Strip:
        assert self._cell is not None
        row = self._rows[index]
        base = self.rich_style
        marked = index == self.cursor
        if marked:
            base += self.get_component_rich_style(
                "table--cursor" if self.has_focus else "table--blurred"
            )
        accent = Style.parse(self._look.palette.style("accent"))
        segments = [Segment(fit("▌" if marked else "", GUTTER), base + accent)]
        for number, (column, cells) in enumerate(self._laid):
            if number:
                segments.append(Segment(" " * self._gap, base))
            segments += self._segments(self._cell(row, column.key, cells), column, cells, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _segments(self, spans: Spans, column: Column, cells: int, base: Style) -> list[Segment]:
        if len(spans) == 1:
            text, tone = spans[0]
            fitted = fit_right(text, cells) if column.align == "right" else fit(text, cells)
            return [Segment(fitted, base + Style.parse(self._look.palette.style(tone)))]
        segments = [
            Segment(text, base + Style.parse(self._look.palette.style(tone)))
            for text, tone in spans
        ]
        return list(Strip(segments).adjust_cell_length(cells, base))
