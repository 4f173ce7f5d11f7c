"""The page of one target or group of targets."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tui import documents as doc
from tui.errors import TuiError
from tui.models import overview
from tui.models import target_page as model
from tui.models.rows import Spans, plain
from tui.models.rules import DECLARED_KINDS
from tui.panels.panel import Panel

MOST_PATHS = 500


class TargetPage(Panel):
    """View 6."""

    BINDINGS = [Binding("escape", "app.leave_target", "Back", show=False)]  # noqa: RUF012 - Textual's own name
    keys = (("esc", "Back"), ("p", "Paths of target"), ("m", "Matrix"))

    class Wanted(Message):
        """Remedy and ring of the target are wanted."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self.target: str | None = None
        self.is_read = False
        self._remedy: doc.Remedy | None = None
        self._ring: doc.Ring | None = None
        self._error: TuiError | None = None

    def compose(self) -> ComposeResult:
        """One page to scroll."""
        with VerticalScroll(id="target-page"):
            yield Static(id="target-lines", markup=False)

    def open(self, name: str) -> None:
        """Show another target."""
        if name != self.target:
            self.target, self.is_read = name, False
            self._remedy = self._ring = self._error = None
        self.post_message(self.Wanted())

    def set_answers(self, remedy: doc.Remedy, ring: doc.Ring | None) -> None:
        """Take what the controller said of the target."""
        self._remedy, self._ring, self._error, self.is_read = remedy, ring, None, True
        self.draw()

    def set_error(self, error: TuiError) -> None:
        """Take why there is nothing."""
        self._error, self.is_read = error, True
        self.draw()

    def take_focus(self) -> None:
        """Focus the page, so that arrows scroll it."""
        self.screen.set_focus(self.query_one("#target-page"))

    def draw(self) -> None:
        """Draw all that is known of the target."""
        words = self.look.words
        target = None
        if self.fleet is not None and self.target is not None:
            target = model.target_of(self.fleet, self.target)
        if target is None or self.fleet is None or self.target is None:
            none = words("Choose a target in view 1 and press enter.")
            lines: list[Spans] = [plain(self.nothing_yet(none))]
        else:
            lines = overview.detail(self.fleet, target, words)
            if target.kind not in DECLARED_KINDS:
                lines += [(), *self._fix(), ()]
                lines += model.ring_lines(self.fleet, self._ring, words)
                lines += [(), *model.path_lines(self.fleet, self.target, words)[:MOST_PATHS]]
        self.query_one("#target-lines", Static).update(self.look.lines(lines))

    def _fix(self) -> list[Spans]:
        assert self.fleet is not None
        if self._error is not None:
            return [plain(self._error.message(self.look.words.language), "doubt")]
        return model.remedy_lines(self.fleet, self._remedy, self.look.words)
