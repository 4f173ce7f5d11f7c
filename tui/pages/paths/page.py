"""The path panel: every path with its worst verdict; filters while you type, sorts by column."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from tui.fleet import Fleet
from tui.pages.page import Page, PageHost
from tui.pages.paths import model as paths
from tui.pages.paths.model import PathIndex, PathRow
from tui.rows import Spans
from tui.widgets.table import Table

VERDICT_TURN = ("", "fail", "undecided", "impossible", "no_data", "pass")


class FilterInput(Input):
    """The filter line; escape leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(False)", "Clear", show=False),
        Binding("down,enter", "leave(True)", "To the table", show=False),
    ]

    class Left(Message):
        """The filter line was left; without `keep` its filter is to be cleared."""

        def __init__(self, *, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    def action_leave(self, keep: bool) -> None:
        """Leave the line for the table."""
        self.post_message(self.Left(keep=keep))


class PathsPage(Page):
    """Filter line and table of paths."""

    title = "Paths"
    style = "pages/paths/page.tcss"

    keys = (
        ("/", "Filter"),
        ("v", "Verdict"),
        ("s", "Sort"),
        ("S", "Reverse"),
        ("enter", "Path"),
        ("esc", "Clear"),
    )
    help_keys = (
        ("/", "Filter: site:… from:… to:… carrier:… verdict:… target:… ip:… or any word"),
        ("v", "Only the next verdict"),
        ("s S", "Sort by the next column, reverse"),
        ("esc", "Clear the filter"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verdict", "Verdict", show=False),
        Binding("s", "sort", "Sort", show=False),
        Binding("S", "reverse", "Reverse", show=False),
        Binding("escape", "clear", "Clear", show=False),
        # First in line: what is typed right behind the slash already belongs to the filter.
        Binding("slash", "filter", "Filter", show=False, priority=True),
    ]

    def __init__(self, host: PageHost, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(host, id=id)
        self.filter_text = ""
        self.sort = "verdict"
        self.reverse = False
        self._index: PathIndex | None = None
        self._indexed: Fleet | None = None

    def compose(self) -> ComposeResult:
        """Filter line above, table below."""
        with Horizontal(id="path-bar"):
            yield FilterInput(id="path-filter", compact=True, select_on_focus=False)
            yield Static(id="path-count", markup=False)
        yield Table[PathRow](paths.COLUMNS, id="path-table")

    @property
    def table(self) -> Table[PathRow]:
        """The table of paths."""
        return self.query_one("#path-table", Table)

    @property
    def filter_input(self) -> FilterInput:
        """The filter line."""
        return self.query_one(FilterInput)

    def take_focus(self) -> None:
        """Focus the table."""
        self.screen.set_focus(self.table)

    def open(self, subject: str) -> None:
        """Filter by `subject`."""
        self.filter_input.value = subject
        self.filter_text = subject
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a slash be a slash while the filter is being typed."""
        if action == "filter":
            return self.screen.focused is not self.filter_input
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Type a filter."""
        self.screen.set_focus(self.filter_input)

    def on_filter_input_left(self, event: FilterInput.Left) -> None:
        """Go back to the table."""
        if event.keep:
            self.take_focus()
        else:
            self.action_clear()

    def action_clear(self) -> None:
        """Show every path again."""
        self.open("")
        self.take_focus()

    def action_verdict(self) -> None:
        """Turn through the verdicts as filters."""
        words = self.filter_text.split()
        now = next((word[8:] for word in words if word.startswith("verdict:")), "")
        turn = VERDICT_TURN.index(now) if now in VERDICT_TURN else 0
        wanted = VERDICT_TURN[(turn + 1) % len(VERDICT_TURN)]
        kept = [word for word in words if not word.startswith("verdict:")]
        self.open(" ".join([*kept, f"verdict:{wanted}"] if wanted else kept))

    def action_sort(self) -> None:
        """Sort by the next column shown."""
        shown = self.table.columns_shown
        here = shown.index(self.sort) if self.sort in shown else -1
        self.sort = shown[(here + 1) % len(shown)]
        self.draw()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.reverse = not self.reverse
        self.draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        if event.value != self.filter_text:
            self.filter_text = event.value
            self.draw()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Open the path."""
        event.stop()
        if self.table.current is not None:
            self.host.open_page("path", self.table.current.key)

    def draw(self) -> None:
        """Draw filter line, count and table."""
        words = self.look.words
        self.filter_input.placeholder = words(
            "/ filter: site:… carrier:… verdict:fail target:… or any word"
        )
        rows: tuple[PathRow, ...] = ()
        total = 0
        if self.fleet is not None:
            if self._indexed is not self.fleet or self._index is None:
                self._index, self._indexed = PathIndex(self.fleet), self.fleet
            rows = self._index.rows(self.filter_text, self.sort, reverse=self.reverse)
            total = len(self.fleet.paths)
        empty = words("No path matches the filter; esc clears it.") if total else words("No paths.")
        arrow = " ▼" if self.reverse else " ▲"
        self.query_one("#path-count", Static).update(
            words.counted(total, "{n} of {total} paths", n=len(rows), total=total)
        )
        self.table.show(
            rows, self._cell, self.look, empty=self.nothing_yet(empty), marks={self.sort: arrow}
        )

    def _cell(self, row: PathRow, column: str, _width: int) -> Spans:
        assert self.fleet is not None
        return paths.cell(row, column, self.fleet, self.look.words)
