"""The help screen: every key, the symbols and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.figures import fit
from tui.look import Look
from tui.pages.page import Page
from tui.palette import VERDICT_SIGNS
from tui.rows import Spans, plain

EVERYWHERE = "Everywhere"
# (heading, ((keys, what they do), …)); the pages' own keys are theirs (`Page.help_keys`).
SECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        EVERYWHERE,
        (
            ("? F1", "This help"),
            ("l", "Chinese / English"),
            ("d", "Dark / light"),
            ("r", "Refresh now"),
            ("q ctrl+c", "Quit"),
        ),
    ),
    (
        "Tables",
        (
            ("↑ ↓ k j", "Move the cursor"),
            ("PgUp PgDn Home End g G", "Move by pages, or to an end"),
            ("enter", "Open the item under the cursor"),
        ),
    ),
)
MEANINGS = {
    "pass": "the whole interval is within the limit",
    "fail": "the whole interval is beyond the limit",
    "undecided": "the interval holds the limit: the reason names what is missing",
    "impossible": "the limit is below light in fibre: no network can meet it",
    "no_data": "nothing was measured: that is not good news",
}


class Help(ModalScreen[None]):
    """Keys and symbols."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", show=False),
    ]

    def __init__(self, look: Look, pages: Sequence[Page]) -> None:
        super().__init__()
        self._look = look
        self._pages = pages

    def compose(self) -> ComposeResult:
        """One box."""
        with VerticalScroll(id="help-box"):
            yield Static(self._look.lines(self._lines()), markup=False)

    def on_mount(self) -> None:
        """Let the arrow keys scroll."""
        self.query_one("#help-box").focus()

    def _lines(self) -> list[Spans]:
        words = self._look.words
        lines: list[Spans] = [plain(words("Keys"), "head")]
        of_pages = tuple((page.title, page.help_keys) for page in self._pages if page.help_keys)
        titles = ", ".join(words(page.title) for page in self._pages)
        for heading, keys in (*SECTIONS, *of_pages):
            lines.append(plain(words(heading), "accent"))
            if heading == EVERYWHERE:
                numbers = " ".join(str(n) for n in range(1, len(self._pages) + 1))
                lines.append(((f"  {fit(numbers, 24)}", "strong"), (titles, "plain")))
            for key, what in keys:
                lines.append(((f"  {fit(key, 24)}", "strong"), (words(what), "plain")))
        lines += [plain(""), plain(words("Verdicts"), "head")]
        for name, look in VERDICT_SIGNS.items():
            head = fit(f"  {look.symbol} {words(look.word)}", 18)
            lines.append(((head, look.tone), (words(MEANINGS[name]), "plain")))
        lines += [
            plain(""),
            plain(words("→ one way   ⇄ round trip   – absent (never zero)"), "dim"),
            plain(words("Bar: ▇ passes, ▒ undecided, ░ fails, ┃ goal"), "dim"),
        ]
        return lines
