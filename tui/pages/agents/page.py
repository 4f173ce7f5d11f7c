"""The agents panel: state, freshness, clock and spool of every agent."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.pages.agents import model as agents
from tui.pages.agents.model import AgentRow
from tui.pages.page import Page
from tui.rows import Spans
from tui.widgets.table import Table


class AgentsPage(Page):
    """Table of agents."""

    title = "Agents"
    style = "pages/agents/page.tcss"

    keys = (("enter", "Paths of site"),)

    def compose(self) -> ComposeResult:
        """Table above, detail below."""
        yield Table[AgentRow](agents.COLUMNS, id="agent-table")
        yield Static(id="agent-detail", markup=False)

    @property
    def table(self) -> Table[AgentRow]:
        """The table of agents."""
        return self.query_one("#agent-table", Table)

    def take_focus(self) -> None:
        """Focus the table."""
        self.screen.set_focus(self.table)

    def draw(self) -> None:
        """Draw table and detail."""
        rows = agents.rows(self.fleet) if self.fleet else ()
        empty = self.look.words("No agents. Start one with `isochrone agent run`.")
        self.table.show(rows, self._cell, self.look, empty=self.nothing_yet(empty))
        self._draw_detail()

    def on_table_moved(self, event: Table.Moved) -> None:
        """Show the agent under the cursor."""
        event.stop()
        self._draw_detail()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """Open the paths of the agent's site."""
        event.stop()
        if self.table.current is not None:
            self.host.open_page("paths", f"site:{self.table.current.key}")

    def _cell(self, row: AgentRow, column: str, _width: int) -> Spans:
        assert self.fleet is not None
        return agents.cell(row, column, self.fleet, self.look.words)

    def _draw_detail(self) -> None:
        row = self.table.current
        lines = agents.detail(self.fleet, row, self.look.words) if row and self.fleet else []
        self.query_one("#agent-detail", Static).update(self.look.lines(lines))
