"""The page of one target or group of targets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui import documents as doc
from tui.client import Client
from tui.errors import TuiError
from tui.pages.overview import model as overview
from tui.pages.overview.model import GROUP
from tui.pages.page import PageHost
from tui.pages.target import model
from tui.pages.target_links import TargetLinks
from tui.rows import Spans, plain
from tui.rules import DECLARED_KINDS

MOST_PATHS = 500


class TargetPage(TargetLinks):
    """What the target says, what to fix, who could be inside, its paths."""

    title = "Target"
    style = "pages/target/page.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back", show=False)]
    keys = (("esc", "Back"), ("p", "Paths of target"), ("m", "Matrix"))

    def __init__(self, host: PageHost, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(host, id=id)
        self._target: str | None = None
        self._read = False
        self._remediation: doc.Remediation | None = None
        self._ring: doc.Ring | None = None
        self._error: TuiError | None = None

    def compose(self) -> ComposeResult:
        """One page to scroll."""
        with VerticalScroll(id="target-page"):
            yield Static(id="target-lines", markup=False)

    @property
    def target(self) -> str | None:
        """The target or group that is shown."""
        return self._target

    @property
    def is_read(self) -> bool:
        """Whether the controller said what to fix, or no target is chosen."""
        return self._read or self._target is None

    def open(self, subject: str) -> None:
        """Show another target."""
        if subject != self._target:
            self._target, self._read = subject, False
            self._remediation = self._ring = self._error = None
        self.host.read_page(self)

    def wanted(self) -> Hashable:
        """What to fix of the target shown, and the ring around it."""
        return self._target

    async def fetch(self, client: Client, _now_ns: int) -> None:
        """Read what to fix and the ring; where there is an error, it is said."""
        name = self._target
        target = model.target_of(self.fleet, name) if self.fleet and name else None
        if name is None or target is None or target.kind in DECLARED_KINDS:
            self._read = True
            return
        of_group = name.startswith(GROUP)
        remediation, ring, problem = None, None, None
        try:
            remediation = await client.get_remediation(name.removeprefix(GROUP), group=of_group)
            if target.kind == "delay":
                ring = await client.get_ring(name)
        except TuiError as error:
            problem = error
        if name != self._target:
            return
        self._error, self._read = problem, True
        if problem is None:
            self._remediation, self._ring = remediation, ring
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
        return model.remediation_lines(self.fleet, self._remediation, self.look.words)
