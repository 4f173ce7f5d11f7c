"""Every key that does something is in the guide, in both languages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

from tui.app import IsochroneApp
from tui.help import Help
from tui.pages import PAGES, page_classes
from tui.pages.matrix.grid import Grid
from tui.pages.paths.page import FilterInput
from tui.widgets.table import Table

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
SPELLINGS = {
    "question_mark": "?", "slash": "/", "escape": "Esc", "enter": "Enter", "f1": "F1", "up": "↑",
    "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "ctrl+c": "Ctrl+C",
}  # fmt: skip


OWNERS = (IsochroneApp, Help, Grid, FilterInput, Table, *page_classes().values())


def keys_of(owner: type[DOMNode]) -> Iterator[str]:
    """Yield the keys that a class of ours binds, whichever of its parents names them."""
    for parent in owner.__mro__:
        if parent.__module__.startswith("tui."):
            for binding in parent.__dict__.get("BINDINGS", ()):
                assert isinstance(binding, Binding)
                yield from binding.key.split(",")


@pytest.mark.parametrize("guide", ["terminal-ui.md", "terminal-ui.zh.md"])
def test_every_binding_is_documented(guide: str) -> None:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    missing = [
        (owner.__name__, key)
        for owner in OWNERS
        for key in keys_of(owner)
        if f"`{SPELLINGS.get(key, key)}`" not in text
    ]
    assert not missing


@pytest.mark.parametrize("guide", ["terminal-ui.md", "terminal-ui.zh.md"])
def test_every_page_has_a_number_in_the_guide(guide: str) -> None:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    assert not [number for number in range(1, len(PAGES) + 1) if f"`{number}`" not in text]
