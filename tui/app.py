"""The terminal application: one screen, its pages, one feed from the controller."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Hashable
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Static
from textual.worker import Worker

from tui.access import Access
from tui.client import Client
from tui.errors import Language
from tui.feed import Clock, Feed, SystemClock
from tui.fleet import Fleet, Link
from tui.heading import heading
from tui.help import Help
from tui.look import Look
from tui.narrow_lines import NarrowLines
from tui.pages import page_classes
from tui.pages.page import Page
from tui.palette import DARK, DARK_THEME, LIGHT, LIGHT_THEME
from tui.rows import Spans
from tui.words import Words

COMMON_KEYS = (("?", "Help"), ("q", "Quit"), ("l", "中/EN"), ("d", "Theme"))
_HERE = Path(__file__).parent


class IsochroneApp(App[None]):
    """Watches one controller."""

    TITLE = "Isochrone"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - Textual's own name
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]  # noqa: RUF012 - Textual's own name
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "Help", show=False),
        Binding("l", "language", "Language", show=False),
        Binding("d", "theme", "Theme", show=False),
        Binding("r", "refresh", "Refresh", show=False),
        Binding("q,ctrl+c", "quit", "Quit", show=False, priority=False),
    ]

    def __init__(
        self,
        url: str,
        *,
        access: Access | None = None,
        language: Language = "en",
        refresh_s: float = 5.0,
        clock: Clock | None = None,
        zone: dt.tzinfo | None = None,
        narrow: bool = False,
    ) -> None:
        pages = page_classes()
        sheets = ["app.tcss", *(page.style for page in pages.values() if page.style)]
        super().__init__(css_path=[_HERE / sheet for sheet in sheets])
        if narrow:
            self._filters.append(NarrowLines())
        self._client = Client(url, access)
        self._refresh_s = refresh_s
        self._clock: Clock = clock or SystemClock()
        self._zone = zone
        self._words = Words(language)
        self._fleet: Fleet | None = None
        self._link = Link(url=url)
        self._feed: Feed | None = None
        self._pages = {name: page(self, id=name) for name, page in pages.items()}
        self._opened_from = {name: page.opened_from for name, page in pages.items()}
        self._reading: dict[str, Hashable] = {}  # what each page is fetching
        for number, name in enumerate(self._pages, 1):
            self.bind(str(number), f"view('{name}')", show=False)
        self.first_view = next(iter(self._pages))
        self.first_path: str | None = None

    @property
    def base(self) -> Screen[object]:
        """The screen with the pages, also while help lies over it."""
        return self.screen_stack[0]

    @property
    def is_settled(self) -> bool:
        """Whether the page shown has all the data it asked for."""
        return self._fleet is not None and self.page.is_read

    @property
    def fleet(self) -> Fleet | None:
        """The newest reading."""
        return self._fleet

    @property
    def link(self) -> Link:
        """Whether the controller answers."""
        return self._link

    @property
    def look(self) -> Look:
        """Language, colours and zone now."""
        palette = DARK if self.theme != LIGHT_THEME.name else LIGHT
        return Look(words=self._words, palette=palette, zone=self._zone)

    @property
    def view(self) -> str:
        """Name of the page shown."""
        return self.base.query_one("#views", ContentSwitcher).current or self.first_view

    @property
    def page(self) -> Page:
        """The page shown."""
        return self._pages[self.view]

    @property
    def _is_leaving(self) -> bool:
        """Whether the pages are being taken down."""
        return self._exit or not self.is_running

    def compose(self) -> ComposeResult:
        """Heading, tabs, pages, keys."""
        with Horizontal(id="heading"):
            yield Static(id="heading-left", markup=False)
            yield Static(id="heading-right", markup=False)
        yield Static(id="tabs", markup=False)
        with ContentSwitcher(initial=self.first_view, id="views"):
            yield from self._pages.values()
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Start reading."""
        self.register_theme(DARK_THEME)
        self.register_theme(LIGHT_THEME)
        self.theme = DARK_THEME.name
        if self.first_path is not None:
            self._pages["path"].open(self.first_path)
            self.first_view = "path"
        self.action_view(self.first_view)
        self.run_worker(self._watch(), name="feed", group="feed")
        self.set_interval(1.0, self._draw_frame)  # ages grow while nothing comes

    async def _watch(self) -> None:
        async with self._client:
            self._feed = Feed(
                self._client,
                self._clock,
                self._refresh_s,
                on_fleet=self.take_fleet,
                on_link=self.take_link,
            )
            await self._feed.run()

    def take_fleet(self, fleet: Fleet) -> None:
        """Take a new reading; while the views are taken down it is not drawn any more."""
        self._fleet = fleet
        if not self._is_leaving:
            self.page.fleet = fleet
            self.read_page(self.page)

    def take_link(self, link: Link) -> None:
        """Take a new state of the link, and draw what is known."""
        self._link = link
        self._draw()

    def read_page(self, page: Page) -> None:
        """Fetch what the page wants, unless that is being fetched: answers may take longer than
        readings.
        """
        wanted = page.wanted()
        if wanted is None or self._fleet is None or self._reading.get(page.id or "") == wanted:
            return
        self._reading[page.id or ""] = wanted
        now_ns = self._fleet.health.now_ns or self._clock.wall_ns()
        # Not a coroutine: one that is replaced before it began would never be awaited.
        fetch = functools.partial(self._fetch, page, wanted, now_ns)
        _: Worker[None] = self.run_worker(fetch, group=page.id or "", exclusive=True)

    async def _fetch(self, page: Page, wanted: Hashable, now_ns: int) -> None:
        try:
            await page.fetch(self._client, now_ns)
        finally:
            if self._reading.get(page.id or "") == wanted:
                del self._reading[page.id or ""]

    def action_view(self, name: str) -> None:
        """Show one of the pages."""
        # Hiding what has the focus would move it on later, away from where it is put now.
        self.base.set_focus(None)
        self.base.query_one("#views", ContentSwitcher).current = name
        page = self._pages[name]
        page.show(self._fleet, self._link, self.look)
        page.take_focus()
        self.read_page(page)
        self._draw_frame()

    def open_page(self, name: str, subject: str | None = None) -> None:
        """Show the page `name`; with a `subject` it shows that path, target or filter."""
        if self.view != name:
            self._opened_from[name] = self.view
        if subject is not None:
            self._pages[name].fleet = self._fleet
            self._pages[name].open(subject)
        self.action_view(name)

    def leave_page(self) -> None:
        """Go back to where the current page was opened from."""
        self.action_view(self._opened_from[self.view])

    def action_language(self) -> None:
        """Turn to the other language."""
        self._words = self._words.other()
        self._draw()

    def action_theme(self) -> None:
        """Turn dark to light, or light to dark."""
        self.theme = DARK_THEME.name if self.theme == LIGHT_THEME.name else LIGHT_THEME.name
        self._draw()

    def action_refresh(self) -> None:
        """Read now."""
        if self._feed is not None:
            self._feed.ask()

    def action_help(self) -> None:
        """Show keys and symbols."""
        self.push_screen(Help(self.look, tuple(self._pages.values())))

    def _draw(self) -> None:
        if self._is_leaving:
            return
        self.page.show(self._fleet, self._link, self.look)
        self._draw_frame()

    def _draw_frame(self) -> None:
        """Draw heading, tabs and keys."""
        if self._is_leaving:
            return
        look = self.look
        left, right = heading(
            self._fleet,
            self._link,
            look.words,
            now_ns=self._clock.wall_ns(),
            zone=self._zone,
            short=self.size.width < 120,
        )
        screen = self.base
        screen.query_one("#heading-left", Static).update(look.text(left))
        screen.query_one("#heading-right", Static).update(look.text(right))
        screen.query_one("#tabs", Static).update(look.text(self._tabs()))
        screen.query_one("#keys", Static).update(look.text(self._keys()))

    def _tabs(self) -> Spans:
        spans: list[tuple[str, str]] = []
        for number, (name, page) in enumerate(self._pages.items(), 1):
            here = name == self.view
            mark = ("▐", "▌") if here else (" ", " ")
            text = f"{mark[0]}{number} {self._words(page.title)}{mark[1]}"
            spans.append((text, "strong" if here else "dim"))
        return tuple(spans)

    def _keys(self) -> Spans:
        spans: list[tuple[str, str]] = []
        for key, title in (*self.page.keys, *COMMON_KEYS):
            spans += [(f"{key} ", "accent"), (f"{self._words(title)}  ", "dim")]
        return tuple(spans)
