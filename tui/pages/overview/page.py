"""The overview panel: one row per target, and below it what the target says and what to fix."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from tui.pages.overview import model as overview
from tui.pages.overview.model import TargetRow
from tui.pages.target_links import TargetLinks
from tui.rows import Spans
from tui.widgets.table import Table


class OverviewPage(TargetLinks):
    """Table of targets."""

    title = "Overview"
    style = "pages/overview/page.tcss"

    keys = (("enter", "Target"), ("m", "Matrix"), ("p", "Paths of target"))

    def compose(self) -> ComposeResult:
        """Table above, detail below."""
        yield Table[TargetRow](overview.COLUMNS, id="targets")
        with Horizontal(id="target-detail"):
            with VerticalScroll(can_focus=False):
                yield Static(id="target-facts", markup=False)
            with VerticalScroll(can_focus=False, id="target-fix-box"):
                yield Static(id="target-fix", markup=False)

    @property
    def table(self) -> Table[TargetRow]:
        """The table of targets."""
        return self.query_one("#targets", Table)

    @property
    def target(self) -> str | None:
        """Name of the target under the cursor."""
        row = self.table.current
        return row.key if row else None

    def take_focus(self) -> None:
        """Focus the table."""
        self.screen.set_focus(self.table)

    def draw(self) -> None:
        """Draw table and detail."""
        rows = overview.rows(self.fleet) if self.fleet else ()
        empty = self.look.words("No targets. Give the controller a site file with targets.")
        self.table.show(rows, self._cell, self.look, empty=self.nothing_yet(empty))
        self._draw_detail()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the detail of the target under the cursor."""
        event.stop()
        self._draw_detail()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Open the target."""
        event.stop()
        if self.target is not None:
            self.host.open_page("target", self.target)

    def _cell(self, row: TargetRow, column: str, width: int) -> Spans:
        return overview.cell(row, column, width, self.look.words)

    def _draw_detail(self) -> None:
        row = self.table.current
        facts: list[Spans] = []
        fix: list[Spans] = []
        if row is not None and self.fleet is not None:
            facts = overview.detail(self.fleet, row.target, self.look.words)
            fix = overview.to_fix(self.fleet, row.target, self.look.words, 40)
        self.query_one("#target-facts", Static).update(self.look.lines(facts))
        self.query_one("#target-fix", Static).update(self.look.lines(fix))
