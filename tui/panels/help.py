"""The help screen: every key, the symbols and what they mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.figures import fit
from tui.look import Look
from tui.models.rows import Spans, plain
from tui.palette import VERDICT_SIGNS

# (heading, ((keys, what they do), …)): the guide documents the same keys, and a test compares them.
SECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("1 2 3 4 5 6", "Overview, matrix, paths, agents, path page, target page"),
            ("? F1", "This help"),
            ("l", "Chinese / English"),
            ("d", "Dark / light"),
            ("r", "Read anew now"),
            ("q ctrl+c", "Quit"),
        ),
    ),
    (
        "Tables",
        (
            ("↑ ↓ k j", "Move the cursor"),
            ("PgUp PgDn Home End g G", "Move by pages, to the ends"),
            ("enter", "Open what the cursor is on"),
        ),
    ),
    (
        "Overview, target page",
        (
            ("m", "Matrix of the target"),
            ("p", "Paths of the target"),
        ),
    ),
    (
        "Matrix",
        (
            ("← →", "Move across"),
            ("t T", "Next, previous target"),
        ),
    ),
    (
        "Paths",
        (
            ("/", "Filter: site:… from:… to:… carrier:… verdict:… target:… ip:… or any word"),
            ("v", "Only the next verdict"),
            ("s S", "Sort by the next column, turn round"),
            ("esc", "Clear the filter"),
        ),
    ),
    (
        "Path page",
        (
            ("m", "Next protocol"),
            ("w", "Next time range"),
            ("tab", "From verdicts to windows and back"),
            ("esc", "Back"),
        ),
    ),
)
MEANINGS = {
    "pass": "the whole interval is within the limit",
    "fail": "the whole interval is beyond the limit",
    "undecided": "the interval holds the limit: the reason names what is missing",
    "impossible": "the limit is below light in fibre: no network can keep it",
    "no_data": "nothing was measured: that is not good news",
}


class Help(ModalScreen[None]):
    """Keys and symbols."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

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
        for heading, keys in SECTIONS:
            lines.append(plain(words(heading), "accent"))
            for key, what in keys:
                lines.append(((f"  {fit(key, 24)}", "strong"), (words(what), "plain")))
        lines += [plain(""), plain(words("Verdicts"), "head")]
        for name, look in VERDICT_SIGNS.items():
            head = fit(f"  {look.symbol} {words(look.word)}", 18)
            lines.append(((head, look.tone), (words(MEANINGS[name]), "plain")))
        lines += [
            plain(""),
            plain(words("→ one way   ⇄ round trip   – absent (never zero)"), "dim"),
            plain(words("Bar: ▇ passed whatever the undecided are, ▒ open, ░ lost, ┃ goal"), "dim"),
        ]
        return lines
