"""What every page is: a view of the fleet behind a number key, and what it asks of its host."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Protocol

from textual.containers import Vertical

from tui.client import Client
from tui.fleet import Fleet, Link
from tui.look import Look
from tui.words import Words


class PageHost(Protocol):
    """What a page may ask of the application."""

    def open_page(self, name: str, subject: str | None = None) -> None:
        """Show the page `name`; with a `subject` it shows that path, target or filter."""

    def leave_page(self) -> None:
        """Go back to where the current page was opened from."""

    def read_page(self, page: Page) -> None:
        """Fetch what the page wants now (`Page.wanted`), unless that is being fetched."""


class Page(Vertical):
    """A view behind a number key.

    A subclass has its `title`, its `keys` for the bottom line and its `help_keys` for the help
    screen, all of (key, msgid); and, where the fleet is not enough, `wanted` and `fetch`.
    """

    title: ClassVar[str]
    keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    help_keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    opened_from: ClassVar[str] = "overview"  # where `esc` leads if nobody opened it
    style: ClassVar[str | None] = None  # a style sheet, as a path within tui/

    def __init__(self, host: PageHost, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self.host = host
        self.fleet: Fleet | None = None
        self.link = Link()
        self.look = Look(words=Words())

    @property
    def is_read(self) -> bool:
        """Whether everything that the page fetches is there, or nothing is to be fetched."""
        return True

    def open(self, subject: str) -> None:
        """Show `subject`: a path, a target, a filter, whatever the page is about."""

    def wanted(self) -> Hashable:
        """Return what the page would fetch now beside the fleet; None: nothing."""
        return None

    async def fetch(self, client: Client, now_ns: int) -> None:
        """Fetch what is wanted and draw it; `now_ns` is the controller's time."""

    def show(self, fleet: Fleet | None, link: Link, look: Look) -> None:
        """Take a new reading, a new state of the link or a new look, and draw it."""
        self.fleet, self.link, self.look = fleet, link, look
        self.draw()

    def draw(self) -> None:
        """Draw what is known; called whenever anything changed."""
        raise NotImplementedError

    def take_focus(self) -> None:
        """Give the keys to the page's main part."""

    def action_back(self) -> None:
        """Go back to where the page was opened from."""
        self.host.leave_page()

    def nothing_yet(self, empty: str) -> str:
        """Return the sentence for a page without rows: loading, unreachable or truly empty."""
        words = self.look.words
        if self.fleet is not None:
            return empty
        if self.link.state == "stale" and self.link.error is not None:
            return self.link.error.message(words.language)
        return words("Reading from the controller …")
