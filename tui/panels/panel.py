"""What every panel is: a part of the screen that can be shown a fleet in a look."""

from __future__ import annotations

from textual.containers import Vertical

from tui.fleet import Fleet, Link
from tui.look import Look
from tui.words import Words


class Panel(Vertical):
    """A view behind one of the number keys. `keys` are (key, msgid) for the line of keys."""

    keys: tuple[tuple[str, str], ...] = ()

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self.fleet: Fleet | None = None
        self.link = Link()
        self.look = Look(words=Words())

    def show(self, fleet: Fleet | None, link: Link, look: Look) -> None:
        """Take a new reading, a new state of the link or a new look, and draw it."""
        self.fleet, self.link, self.look = fleet, link, look
        self.draw()

    def draw(self) -> None:
        """Draw what is known; called whenever anything changed."""
        raise NotImplementedError

    def take_focus(self) -> None:
        """Give the keys to the panel's main part."""

    def nothing_yet(self, empty: str) -> str:
        """Return the sentence for a panel without rows: loading, unreachable or truly empty."""
        words = self.look.words
        if self.fleet is not None:
            return empty
        if self.link.state == "stale" and self.link.error is not None:
            return self.link.error.message(words.language)
        return words("Reading from the controller …")
