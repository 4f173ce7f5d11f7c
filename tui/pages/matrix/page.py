"""The matrix panel: site × site verdicts of one target, and the pair under the cursor."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.pages.matrix import model as matrix
from tui.pages.matrix.grid import Grid
from tui.pages.page import Page, PageHost


class MatrixPage(Page):
    """Grid of sites and the pair under the cursor."""

    title = "Matrix"
    style = "pages/matrix/page.tcss"

    keys = (("t", "Next target"), ("T", "Previous target"), ("enter", "Path"))
    help_keys = (("← →", "Move across"), ("t T", "Next, previous target"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "turn(1)", "Next target", show=False),
        Binding("T", "turn(-1)", "Previous target", show=False),
    ]

    def __init__(self, host: PageHost, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(host, id=id)
        self.target: str | None = None

    def compose(self) -> ComposeResult:
        """Heading, grid, detail."""
        yield Static(id="matrix-title", markup=False)
        yield Grid(id="matrix-grid")
        yield Static(id="matrix-detail", markup=False)

    @property
    def grid(self) -> Grid:
        """The grid."""
        return self.query_one("#matrix-grid", Grid)

    def take_focus(self) -> None:
        """Focus the grid."""
        self.screen.set_focus(self.grid)

    def open(self, subject: str | None) -> None:
        """Show the matrix of a target (None: all)."""
        self.target = subject
        self.draw()

    def action_turn(self, by: int) -> None:
        """Show the next or the previous target."""
        if self.fleet is not None:
            names = matrix.targets(self.fleet)
            here = names.index(self.target) if self.target in names else 0
            self.open(names[(here + by) % len(names)])

    def draw(self) -> None:
        """Draw heading, grid and detail."""
        title = self.query_one("#matrix-title", Static)
        if self.fleet is None:
            title.update(self.nothing_yet(""))
            return
        words = self.look.words
        view = matrix.build(self.fleet, self.target)
        name = matrix.title_of_target(self.fleet, self.target, words)
        title.update(
            self.look.lines(
                [((f" {name}", "head"),), ((" ", "plain"), *matrix.share_line(view, words))]
            )
        )
        titles = [self.fleet.site_title(site, words.language) for site in view.sites]
        self.grid.show(view, titles, self.look)
        self._draw_detail()

    def on_grid_moved(self) -> None:
        """Show the pair under the cursor."""
        self._draw_detail()

    def on_grid_chosen(self) -> None:
        """Open the worst path of the pair."""
        grid = self.grid
        worst = grid.view.worst(grid.row, grid.column)
        if worst is not None:
            self.host.open_page("path", worst.path)

    def _draw_detail(self) -> None:
        if self.fleet is None:
            return
        grid = self.grid
        lines = matrix.detail(self.fleet, grid.view, grid.row, grid.column, self.look.words)
        if not grid.view.sites:
            lines = [((self.look.words("This target applies to no path."), "dim"),)]
        self.query_one("#matrix-detail", Static).update(self.look.lines(lines))
