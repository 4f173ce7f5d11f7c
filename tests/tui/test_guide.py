"""Every key that does something is in the guide, in both languages."""

from pathlib import Path

import pytest
from textual.binding import Binding

from tui.app import IsochroneApp
from tui.panels.grid import Grid
from tui.panels.help import Help
from tui.panels.matrix import MatrixPanel
from tui.panels.path_page import PathPage
from tui.panels.paths import FilterInput, Paths
from tui.panels.table import Table

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SPELLINGS = {
    "question_mark": "?", "slash": "/", "escape": "Esc", "enter": "Enter", "f1": "F1", "up": "↑",
    "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "ctrl+c": "Ctrl+C",
}  # fmt: skip


@pytest.mark.parametrize("guide", ["terminal-ui.md", "terminal-ui.zh.md"])
def test_every_binding_is_documented(guide: str) -> None:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    missing = []
    for owner in (IsochroneApp, Help, Grid, MatrixPanel, PathPage, Paths, FilterInput, Table):
        for binding in owner.__dict__["BINDINGS"]:
            assert isinstance(binding, Binding)
            missing += [
                (owner.__name__, key)
                for key in binding.key.split(",")
                if f"`{SPELLINGS.get(key, key)}`" not in text
            ]
    assert not missing
