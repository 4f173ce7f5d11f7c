"""The matrix panel: site × site verdicts of one target, and the pair under the cursor."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from tui.models import matrix
from tui.panels.grid import Grid
from tui.panels.panel import Panel


class MatrixPanel(Panel):
    """View 2."""

    keys = (("t", "Next target"), ("T", "Previous target"), ("enter", "Path"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "turn(1)", "Next target", show=False),
        Binding("T", "turn(-1)", "Previous target", show=False),
    ]

    class PathChosen(Message):
        """A pair was opened; `path` is its worst path."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
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

    def choose_target(self, target: str | None) -> None:
        """Show the matrix of `target` (None: all)."""
        self.target = target
        self.draw()

    def action_turn(self, by: int) -> None:
        """Show the next or the previous target."""
        if self.fleet is not None:
            names = matrix.targets(self.fleet)
            here = names.index(self.target) if self.target in names else 0
            self.choose_target(names[(here + by) % len(names)])

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
            self.post_message(self.PathChosen(worst.path))

    def _draw_detail(self) -> None:
        if self.fleet is None:
            return
        grid = self.grid
        lines = matrix.detail(self.fleet, grid.view, grid.row, grid.column, self.look.words)
        if not grid.view.sites:
            lines = [((self.look.words("No path is asked about by this target."), "dim"),)]
        self.query_one("#matrix-detail", Static).update(self.look.lines(lines))
