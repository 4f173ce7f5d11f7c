"""The site × site grid: only the cells in sight are drawn, heads stay while it scrolls."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.figures import fit
from tui.look import Look
from tui.pages.matrix.model import ROW_HEAD_CELLS, MatrixView, cell_text, cell_width, head_lines
from tui.words import Words

HEAD_LINES = 6


class Grid(ScrollView, can_focus=True):
    """A matrix of verdicts with a cursor; rows are sources, columns are destinations."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1,0)", "Up", show=False),
        Binding("down,j", "move(1,0)", "Down", show=False),
        Binding("left", "move(0,-1)", "Left", show=False),
        Binding("right", "move(0,1)", "Right", show=False),
        Binding("pageup", "move(-10,0)", "Page up", show=False),
        Binding("pagedown", "move(10,0)", "Page down", show=False),
        Binding("home", "move(0,-100000)", "First", show=False),
        Binding("end", "move(0,100000)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--head", "grid--cross", "grid--cursor"}
    DEFAULT_CSS = """
    Grid { height: 1fr; background: $background; scrollbar-size: 1 1; }
    Grid > .grid--head { color: $secondary; background: $background; }
    Grid > .grid--cross { color: $accent; text-style: bold; background: $background; }
    Grid > .grid--cursor { color: $background; background: $accent; text-style: bold; }
    """

    class Moved(Message):
        """The cursor stands on another pair."""

    class Chosen(Message):
        """Enter was pressed on a pair."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self.view = MatrixView(target=None)
        self._look = Look(words=Words())
        self._titles: list[str] = []
        self._head: list[list[str]] = []
        self._cells = 3
        self.row = 0
        self.column = 0

    def show(self, view: MatrixView, titles: list[str], look: Look) -> None:
        """Show `view`; the cursor stays on its pair where that pair still is."""
        sites = self.view.sites
        ends = (sites[self.row], sites[self.column]) if sites else None
        self.view, self._titles, self._look = view, titles, look
        if ends is not None and ends[0] in view.sites and ends[1] in view.sites:
            self.row, self.column = view.sites.index(ends[0]), view.sites.index(ends[1])
        self.row = max(0, min(self.row, len(view.sites) - 1))
        self.column = max(0, min(self.column, len(view.sites) - 1))
        self._measure()
        self.refresh()

    def _measure(self) -> None:
        count = len(self.view.sites)
        # Asked of the outer size, so that a scroll bar that comes or goes cannot make it swing.
        self._cells = cell_width(count, self.size.width - 1)
        most = HEAD_LINES if self.size.height >= 16 else 4
        self._head = head_lines(self._titles, self._cells, most)
        self.virtual_size = Size(ROW_HEAD_CELLS + count * self._cells, count + len(self._head))

    def on_resize(self, _event: Resize) -> None:
        """Choose the cell width again."""
        self._measure()
        self.refresh()

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor, and let the grid follow."""
        last = len(self.view.sites) - 1
        self.row = max(0, min(self.row + down, last))
        self.column = max(0, min(self.column + right, last))
        self._follow()
        self.refresh()
        self.post_message(self.Moved())

    def action_choose(self) -> None:
        """Open the pair."""
        if self.view.sites:
            self.post_message(self.Chosen())

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click opens."""
        row = event.y - len(self._head) + round(self.scroll_y)
        column = (event.x - ROW_HEAD_CELLS) // self._cells + self._first_column
        if 0 <= row < len(self.view.sites) and 0 <= column < len(self.view.sites):
            again = (row, column) == (self.row, self.column) and event.chain > 1
            self.action_move(row - self.row, column - self.column)
            if again:
                self.action_choose()

    @property
    def _first_column(self) -> int:
        return -(-round(self.scroll_x) // self._cells)

    def _follow(self) -> None:
        region = self.scrollable_content_region
        rows = max(1, region.height - len(self._head))
        columns = max(1, (region.width - ROW_HEAD_CELLS) // self._cells)
        x, y = round(self.scroll_x), round(self.scroll_y)
        if self.row < y:
            y = self.row
        elif self.row >= y + rows:
            y = self.row - rows + 1
        if self.column < self._first_column:
            x = self.column * self._cells
        elif self.column >= self._first_column + columns:
            x = (self.column - columns + 1) * self._cells
        self.scroll_to(x=x, y=y, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of heads or one row of the matrix."""
        width = self.scrollable_content_region.width
        head = self.get_component_rich_style("grid--head")
        if not self.view.sites:
            return Strip([Segment(" " * width, self.rich_style)], width)
        if y < len(self._head):
            return self._head_line(y, width, head)
        row = y - len(self._head) + round(self.scroll_y)
        if row >= len(self.view.sites):
            return Strip([Segment(" " * width, self.rich_style)], width)
        cross = self.get_component_rich_style("grid--cross")
        title = fit(f" {self._titles[row]}", ROW_HEAD_CELLS)
        segments = [Segment(title, cross if row == self.row else head)]
        for column in range(self._first_column, len(self.view.sites)):
            segments.append(self._cell(row, column))
            if ROW_HEAD_CELLS + (column - self._first_column) * self._cells > width:
                break
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _head_line(self, y: int, width: int, head: Style) -> Strip:
        cross = self.get_component_rich_style("grid--cross")
        corner = f" {self._look.words('From ↓ to →')}" if y == 0 else ""
        segments = [Segment(fit(corner, ROW_HEAD_CELLS), head)]
        segments += [
            Segment(self._head[y][column], cross if column == self.column else head)
            for column in range(self._first_column, len(self.view.sites))
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _cell(self, row: int, column: int) -> Segment:
        text, tone = cell_text(self.view.worst(row, column), self._cells)
        if (row, column) == (self.row, self.column):
            mark = f"[{text.strip()[:1] or ' '}]" if self._cells < 7 else f"[{text[1:-1]}]"
            return Segment(mark, self.get_component_rich_style("grid--cursor"))
        if tone == "empty":
            return Segment("╲".center(self._cells) if row == column else text, self._empty_style)
        palette = self._look.palette
        return Segment(text, Style.parse(palette.cell.get(tone, palette.cell["dim"])))

    @property
    def _empty_style(self) -> Style:
        return self.rich_style + Style.parse(self._look.palette.style("dim"))
