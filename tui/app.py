"""The terminal application: one screen, six views, one feed from the controller."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Static

from tui.access import Access
from tui.client import Client
from tui.errors import Language, TuiError
from tui.feed import Clock, Feed, SystemClock
from tui.fleet import Fleet, Link
from tui.look import Look
from tui.models.heading import heading
from tui.models.overview import GROUP
from tui.models.rows import Spans
from tui.models.rules import DECLARED_KINDS
from tui.models.target_page import common_stem, members_of, target_of
from tui.narrow_lines import NarrowLines
from tui.palette import DARK, DARK_THEME, LIGHT, LIGHT_THEME
from tui.panels.agents import Agents
from tui.panels.help import Help
from tui.panels.matrix import MatrixPanel
from tui.panels.overview import Overview
from tui.panels.panel import Panel
from tui.panels.path_page import PathPage
from tui.panels.paths import Paths
from tui.panels.target_page import TargetPage
from tui.words import Words

VIEWS = (
    ("overview", "Overview"),
    ("matrix", "Matrix"),
    ("paths", "Paths"),
    ("agents", "Agents"),
    ("path", "Path"),
    ("target", "Target"),
)
COMMON_KEYS = (("?", "Help"), ("q", "Quit"), ("l", "中/EN"), ("d", "Theme"))
WINDOWS_LOOK_BACK_NS = 60 * 1_000_000_000


class IsochroneApp(App[None]):
    """Watches one controller."""

    CSS_PATH = "app.tcss"
    TITLE = "Isochrone"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - Textual's own name
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]  # noqa: RUF012 - Textual's own name
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('overview')", "Overview", show=False),
        Binding("2", "view('matrix')", "Matrix", show=False),
        Binding("3", "view('paths')", "Paths", show=False),
        Binding("4", "view('agents')", "Agents", show=False),
        Binding("5", "view('path')", "Path", show=False),
        Binding("6", "view('target')", "Target", show=False),
        Binding("question_mark,f1", "help", "Help", show=False),
        Binding("l", "language", "Language", show=False),
        Binding("d", "theme", "Theme", show=False),
        Binding("r", "refresh", "Read anew", show=False),
        Binding("p", "target_paths", "Paths of target", show=False),
        Binding("m", "target_matrix", "Matrix of target", show=False),
        # First in line: what is typed right behind the slash already belongs to the filter.
        Binding("slash", "filter", "Filter", show=False, priority=True),
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
        super().__init__()
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
        self._came_from = "paths"
        self.first_view = VIEWS[0][0]
        self.first_path: str | None = None
        self._reading: tuple[str, str | None, int] | None = None  # path, protocol, minutes

    @property
    def base(self) -> Screen[object]:
        """The screen with the views, also while help lies over it."""
        return self.screen_stack[0]

    @property
    def is_settled(self) -> bool:
        """Whether the view shown has all the data it asked for."""
        page = self.base.query_one("#path", PathPage)
        return self._fleet is not None and (self.view != "path" or page.is_read)

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
        """Name of the view shown."""
        return self.base.query_one("#views", ContentSwitcher).current or VIEWS[0][0]

    @property
    def _is_leaving(self) -> bool:
        """Whether the views are being taken down."""
        return self._exit or not self.is_running

    def compose(self) -> ComposeResult:
        """Heading, tabs, views, keys."""
        with Horizontal(id="heading"):
            yield Static(id="heading-left", markup=False)
            yield Static(id="heading-right", markup=False)
        yield Static(id="tabs", markup=False)
        with ContentSwitcher(initial="overview", id="views"):
            yield Overview(id="overview")
            yield MatrixPanel(id="matrix")
            yield Paths(id="paths")
            yield Agents(id="agents")
            yield PathPage(id="path")
            yield TargetPage(id="target")
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Start reading."""
        self.register_theme(DARK_THEME)
        self.register_theme(LIGHT_THEME)
        self.theme = DARK_THEME.name
        if self.first_path is not None:
            self.base.query_one("#path", PathPage).open(self.first_path)
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
                on_fleet=self._take_fleet,
                on_link=self._take_link,
            )
            await self._feed.run()

    def _take_fleet(self, fleet: Fleet) -> None:
        self._fleet = fleet
        if self._is_leaving:
            return
        if self.view == "path":
            self._read_windows()
        elif self.view == "target":
            self.on_target_page_wanted()

    def _take_link(self, link: Link) -> None:
        self._link = link
        self._draw()

    def on_path_page_windows_wanted(self) -> None:
        """Read the windows of the path shown."""
        self._read_windows()

    def _read_windows(self) -> None:
        """Read windows, unless the same are being read: answers may take longer than readings."""
        page = self.base.query_one("#path", PathPage)
        if page.path is None or self._fleet is None:
            return
        wanted = (page.path, page.measured_protocol, page.range_min)
        if wanted != self._reading:
            self._reading = wanted
            now_ns = self._fleet.health.now_ns or self._clock.wall_ns()
            self.run_worker(self._fetch_windows(*wanted, now_ns), group="windows", exclusive=True)

    async def _fetch_windows(
        self, path: str, protocol: str | None, range_min: int, now_ns: int
    ) -> None:
        page = self.base.query_one("#path", PathPage)
        from_ns = now_ns - range_min * WINDOWS_LOOK_BACK_NS
        try:
            windows = await self._client.get_windows(path, protocol, from_ns, now_ns)
        except TuiError as error:
            self._reading = None
            page.set_error(error)
            return
        self._reading = None
        if (path, protocol) == (page.path, page.measured_protocol):
            ordered = sorted(windows, key=lambda window: window.start_ns)
            page.set_windows(tuple(ordered), now_ns)

    def action_view(self, name: str) -> None:
        """Show one of the views."""
        # Hiding what has the focus would move it on later, away from where it is put now.
        self.base.set_focus(None)
        self.base.query_one("#views", ContentSwitcher).current = name
        panel = self.base.query_one(f"#{name}", Panel)
        panel.show(self._fleet, self._link, self.look)
        panel.take_focus()
        if name == "path":
            self._read_windows()
        self._draw_frame()

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
        self.push_screen(Help(self.look))

    def action_target_paths(self) -> None:
        """Show the paths of the overview's target."""
        target = self._target
        if target is not None and self._fleet is not None:
            stem = common_stem(members_of(self._fleet, target))
            self.base.query_one("#paths", Paths).set_filter(f"target:{stem}")
            self.action_view("paths")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a slash be a slash wherever there is nothing to filter."""
        if action == "filter":
            at_home = len(self.screen_stack) == 1 and self.view == "paths"
            return at_home and not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Type a filter."""
        self.base.set_focus(self.base.query_one("#paths", Paths).filter_input)

    def action_leave_filter(self, keep: bool = False) -> None:
        """Leave the filter line for the table; without `keep` the filter is cleared."""
        panel = self.base.query_one("#paths", Paths)
        if keep:
            panel.take_focus()
        else:
            panel.action_clear()

    @property
    def _target(self) -> str | None:
        """The target that the overview's cursor is on, or that the target page shows."""
        if self.view == "target":
            return self.base.query_one("#target", TargetPage).target
        return (
            self.base.query_one("#overview", Overview).target if self.view == "overview" else None
        )

    def action_target_matrix(self) -> None:
        """Show the matrix of the target."""
        target = self._target
        if target is not None and self._fleet is not None:
            members = members_of(self._fleet, target)
            self.base.query_one("#matrix", MatrixPanel).choose_target(next(iter(members), None))
            self.action_view("matrix")

    def action_leave_target(self) -> None:
        """Leave the target page for the overview."""
        self.action_view("overview")

    def on_target_page_wanted(self) -> None:
        """Read remedy and ring of the target shown."""
        self.run_worker(self._fetch_target(), group="target", exclusive=True)

    async def _fetch_target(self) -> None:
        page = self.base.query_one("#target", TargetPage)
        name = page.target
        if name is None or self._fleet is None:
            return
        target = target_of(self._fleet, name)
        if target is None or target.kind in DECLARED_KINDS:
            page.is_read = True
            return
        group = name.startswith(GROUP)
        try:
            remedy = await self._client.get_remedy(name.removeprefix(GROUP), group=group)
            ring = None
            if target.kind == "delay":
                ring = await self._client.get_ring(name)
        except TuiError as error:
            page.set_error(error)
            return
        if name == page.target:
            page.set_answers(remedy, ring)

    def action_leave_path(self) -> None:
        """Leave the path page for where it was opened."""
        self.action_view(self._came_from)

    def open_path(self, path: str) -> None:
        """Show the page of a path."""
        self._came_from = self.view if self.view != "path" else self._came_from
        self.base.query_one("#path", PathPage).open(path)
        self.action_view("path")

    def on_matrix_panel_path_chosen(self, event: MatrixPanel.PathChosen) -> None:
        """Open the worst path of the pair."""
        self.open_path(event.path)

    def on_paths_path_chosen(self, event: Paths.PathChosen) -> None:
        """Open the path."""
        self.open_path(event.path)

    def on_table_chosen(self) -> None:
        """Open what the cursor is on: a target's matrix, or an agent's paths."""
        if self.view == "overview":
            if (target := self.base.query_one("#overview", Overview).target) is not None:
                self.base.query_one("#target", TargetPage).open(target)
                self.action_view("target")
        elif self.view == "agents" and (
            row := self.base.query_one("#agents", Agents).table.current
        ):
            self.base.query_one("#paths", Paths).set_filter(f"site:{row.key}")
            self.action_view("paths")

    def _draw(self) -> None:
        if self._is_leaving:
            return
        self.base.query_one(f"#{self.view}", Panel).show(self._fleet, self._link, self.look)
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
        for number, (name, title) in enumerate(VIEWS, 1):
            here = name == self.view
            mark = ("▐", "▌") if here else (" ", " ")
            text = f"{mark[0]}{number} {self._words(title)}{mark[1]}"
            spans.append((text, "strong" if here else "dim"))
        return tuple(spans)

    def _keys(self) -> Spans:
        panel = self.base.query_one(f"#{self.view}", Panel)
        spans: list[tuple[str, str]] = []
        for key, title in (*panel.keys, *COMMON_KEYS):
            spans += [(f"{key} ", "accent"), (f"{self._words(title)}  ", "dim")]
        return tuple(spans)
