"""The page of one path: delay and loss over time against the limits, verdicts, flows, windows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import Static

from tui import documents as doc
from tui.client import Client
from tui.errors import TuiError
from tui.pages.page import Page, PageHost
from tui.pages.path import model, windows
from tui.pages.path.windows import WindowRow
from tui.rows import Spans
from tui.widgets.plot import TimePlot
from tui.widgets.table import Table

RANGES_MIN = (5, 15, 60, 360, 1440)
WINDOW_ROWS = 200
_MINUTE_NS = 60 * 1_000_000_000


class PathPage(Page):
    """Plots, verdicts, facts and windows."""

    title = "Path"
    style = "pages/path/page.tcss"
    opened_from = "paths"

    keys = (("m", "Protocol"), ("w", "Time range"), ("tab", "Next part"), ("esc", "Back"))
    help_keys = (
        ("m", "Next protocol"),
        ("w", "Next time range"),
        ("tab", "Switch between verdicts and windows"),
        ("esc", "Back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "protocol", "Protocol", show=False),
        Binding("w", "range", "Time range", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self, host: PageHost, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(host, id=id)
        self.path: str | None = None
        self.protocol: str | None = None
        self.range_min = 15
        self._windows: tuple[doc.Window, ...] = ()
        self._read = False
        self._error: TuiError | None = None
        self._to_ns = 0

    def compose(self) -> ComposeResult:
        """Title, plots, verdicts, facts and windows; the sheet lays them out by width."""
        yield Static(id="page-title", markup=False)
        with Container(id="page-body"):
            with Vertical(id="page-plots"):
                yield Static(id="delay-title", classes="plot-title", markup=False)
                yield TimePlot(id="delay-plot")
                yield Static(id="loss-title", classes="plot-title", markup=False)
                yield TimePlot(id="loss-plot")
                yield Static(id="flow-strip", markup=False)
            with VerticalScroll(id="page-words"):
                yield Static(id="page-verdicts", markup=False)
                yield Static(id="page-facts", markup=False)
        yield Table[WindowRow](windows.WINDOW_COLUMNS, id="window-table")

    def take_focus(self) -> None:
        """Focus the verdicts."""
        self.screen.set_focus(self.query_one("#page-words"))

    def open(self, subject: str) -> None:
        """Show another path."""
        if subject != self.path:
            self.path, self.protocol = subject, None
            self._forget()
        self.draw()
        self.host.read_page(self)

    def wanted(self) -> Hashable:
        """The windows of the path, the protocol and the time range shown."""
        return self.path and (self.path, self.measured_protocol, self.range_min)

    async def fetch(self, client: Client, now_ns: int) -> None:
        """Read windows; where there is an error, older windows stay and it is said why."""
        path, protocol = self.path, self.measured_protocol
        assert path is not None
        from_ns = now_ns - self.range_min * _MINUTE_NS
        try:
            found = await client.get_windows(path, protocol, from_ns, now_ns)
        except TuiError as error:
            self._error = error
        else:
            if (path, protocol) != (self.path, self.measured_protocol):
                return
            ordered = sorted(found, key=lambda window: window.start_ns)
            self._windows, self._read, self._error = tuple(ordered), True, None
            self._to_ns = now_ns
        self.draw()

    @property
    def is_read(self) -> bool:
        """Whether windows were read, or no path is chosen."""
        return self._read or self.path is None

    @property
    def measured_protocol(self) -> str | None:
        """The protocol whose windows are shown: chosen, else the judged one, else the first."""
        path = self._document
        if path is None:
            return None
        found = model.protocols(path)
        if self.protocol in found:
            return self.protocol
        assert self.fleet is not None
        judged = [v.protocol for v in model.verdicts(self.fleet, path.id) if v.protocol in found]
        return judged[0] if judged else found[0] if found else None

    def action_protocol(self) -> None:
        """Show the next protocol."""
        path = self._document
        found = model.protocols(path) if path else ()
        if found:
            now = self.measured_protocol
            here = found.index(now) if now in found else -1
            self.protocol = found[(here + 1) % len(found)]
            self._forget()
            self.draw()
            self.host.read_page(self)

    def action_range(self) -> None:
        """Show a longer stretch of time, or the shortest again."""
        here = RANGES_MIN.index(self.range_min)
        self.range_min = RANGES_MIN[(here + 1) % len(RANGES_MIN)]
        self.draw()
        self.host.read_page(self)

    @property
    def _document(self) -> doc.Path | None:
        return self.fleet.path_by_id.get(self.path or "") if self.fleet else None

    def _forget(self) -> None:
        self._windows, self._read, self._error = (), False, None

    def draw(self) -> None:
        """Draw all that is known of the path."""
        path, words = self._document, self.look.words
        title = self.query_one("#page-title", Static)
        for part in ("#page-body", "#window-table"):
            self.query_one(part).set_class(path is None, "hidden")
        if self.fleet is None or path is None:
            none = words("Choose a path in view 3, or a pair in view 2, and press enter.")
            gone = words("The controller no longer knows this path.")
            title.update("\n " + self.nothing_yet(gone if self.path else none))
            return
        title.update(self.look.text(((" ", "plain"), *model.title(self.fleet, path, words))))
        entries = model.verdicts(self.fleet, path.id)
        self._draw_words(path, entries)
        self._draw_plots(entries)
        self.query_one("#flow-strip", Static).update(
            self.look.lines(windows.flow_strip(self._windows[-30:], words))
        )
        rows = tuple(WindowRow(window) for window in self._windows[: -WINDOW_ROWS - 1 : -1])
        table: Table[WindowRow] = self.query_one("#window-table", Table)
        table.show(rows, self._cell, self.look, empty=self._why_no_windows())

    def _draw_words(self, path: doc.Path, entries: tuple[doc.Verdict, ...]) -> None:
        assert self.fleet is not None
        words = self.look.words
        lines = model.verdict_lines(self.fleet, entries, words, self.look.zone)
        self.query_one("#page-verdicts", Static).update(self.look.lines(lines))
        facts = model.facts(path, self.fleet.health.now_ns, words)
        self.query_one("#page-facts", Static).update(self.look.lines(facts))

    def _draw_plots(self, entries: tuple[doc.Verdict, ...]) -> None:
        words, palette = self.look.words, self.look.palette
        span_s = self.range_min * 60
        to_s = self._to_ns / 1e9 if self._to_ns else 0.0
        lines = {line.name: line for line in windows.delay_lines(self._windows)}
        curves = []
        for name in ("rtt", "forward", "backward"):
            colour = palette.style(name)
            if lines[f"{name}_p50_ns"].segments:
                curves.append((lines[f"{name}_p95_ns"], f"dim {colour}"))
                curves.append((lines[f"{name}_p50_ns"], colour))
        limits = model.limits_ms(entries)
        delay = self.query_one("#delay-plot", TimePlot)
        peak = delay.draw(curves, limits, self.look, from_s=to_s - span_s, to_s=to_s)
        shown = "  ".join(f"{limit:g}" for limit in limits)
        self.query_one("#delay-title", Static).update(
            self.look.text(
                (
                    (f" {words('Delay')} ms  ", "head"),
                    *self._legend(),
                    (f"  ━ {words('limit')} {shown} ms" if limits else "", "bad"),
                    (
                        "" if peak is None else f"  ▲ {words('up to {n} ms', n=f'{peak:.3g}')}",
                        "doubt",
                    ),
                    (f"  {words('bright p50, dim p95')}", "dim"),
                )
            )
        )
        loss_limits = model.limits_percent(entries)
        loss = self.query_one("#loss-plot", TimePlot)
        curve = (windows.loss_line(self._windows), palette.style("rtt"))
        loss.draw([curve], loss_limits, self.look, from_s=to_s - span_s, to_s=to_s)
        shown = "  ".join(f"{limit:g}" for limit in loss_limits)
        self.query_one("#loss-title", Static).update(
            self.look.text(
                (
                    (f" {words('Loss')} %  ", "head"),
                    (f"{self.measured_protocol or ''}  ", "plain"),
                    (words("last {n} min", n=self.range_min), "dim"),
                    (f"  ━ {words('limit')} {shown}%" if loss_limits else "", "bad"),
                    (f"  {self._why_no_windows()}" if not self._windows else "", "doubt"),
                )
            )
        )

    def _legend(self) -> Spans:
        words = self.look.words
        relative = windows.is_relative(self._windows)
        return (
            (f"⇄ {words('round trip')} ", "rtt"),
            (f"→ {words('forward')} ", "forward"),
            (f"← {words('backward')}", "backward"),
            (f"  △ {words('above the least: clocks not trusted')}" if relative else "", "doubt"),
        )

    def _why_no_windows(self) -> str:
        words = self.look.words
        if self._error is not None:
            return self._error.message(words.language)
        return words("No windows in this time.") if self._read else words("Reading windows …")

    def _cell(self, row: WindowRow, column: str, _width: int) -> Spans:
        return windows.window_cell(row, column, self.look.words, self.look.zone)
