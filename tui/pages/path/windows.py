"""The windows of a path: as curves over time, as a strip of flows, as rows of a table. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui import documents as doc
from tui.figures import ABSENT, clock_time, count, delay, delay_ms, ratio
from tui.rows import Column, Spans, plain
from tui.words import Words

WINDOW_COLUMNS = (
    Column(key="start", title="Start", width=8),
    Column(key="sent", title="Sent", width=6, align="right"),
    Column(key="lost", title="Lost", width=5, align="right"),
    Column(key="loss", title="Loss", width=8, align="right"),
    Column(key="rtt50", title="RTT p50 ms", width=10, align="right"),
    Column(key="rtt95", title="RTT p95 ms", width=10, align="right"),
    Column(key="forward50", title="→ p50 ms", width=9, align="right", rank=1),
    Column(key="forward95", title="→ p95 ms", width=9, align="right", rank=2),
    Column(key="backward50", title="← p50 ms", width=9, align="right", rank=1),
    Column(key="backward95", title="← p95 ms", width=9, align="right", rank=2),
    Column(key="late", title="Late", width=5, align="right", rank=3),
    Column(key="duplicate", title="Dup.", width=5, align="right", rank=3),
    Column(key="reordered", title="Reord.", width=6, align="right", rank=3),
    Column(key="clock", title="Clock ±", width=9, align="right", rank=4),
    Column(key="timestamping", title="Timestamp", width=9, rank=5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve: segments of (x seconds, y ms or %) with nothing drawn across absent windows."""

    name: str
    segments: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]


def line(
    name: str, windows: Sequence[doc.Window], value: Callable[[doc.Window], float | None]
) -> Line:
    """Return the curve of `value` over windows: broken where a window is absent or has no value."""
    segments: list[tuple[tuple[float, ...], tuple[float, ...]]] = []
    xs: list[float] = []
    ys: list[float] = []
    end_ns: int | None = None
    for window in windows:
        number = value(window)
        gap = end_ns is not None and window.start_ns > end_ns + window.duration_ns // 2
        absent = number is None or not math.isfinite(number)
        if (gap or absent) and xs:
            segments.append((tuple(xs), tuple(ys)))
            xs, ys = [], []
        if number is not None and not absent:
            xs.append((window.start_ns + window.duration_ns / 2) / 1e9)
            ys.append(number)
        end_ns = window.start_ns + window.duration_ns
    if xs:
        segments.append((tuple(xs), tuple(ys)))
    return Line(name=name, segments=tuple(segments))


def delay_lines(windows: Sequence[doc.Window]) -> tuple[Line, ...]:
    """Return the delay curves in ms: round trip, forward and backward, median and p95."""
    fields = (
        "rtt_p50_ns",
        "rtt_p95_ns",
        "forward_p50_ns",
        "forward_p95_ns",
        "backward_p50_ns",
        "backward_p95_ns",
    )
    return tuple(line(name, windows, _in_ms(name)) for name in fields)


def one_way_ns(window: doc.Window, field: str) -> float | None:
    """Return a delay; one way without trusted clocks only what is above the least (relative).

    What is timestamped there is the disagreement of two clocks, which may be seconds, and no delay.
    """
    relative = window.one_way == "relative" and not field.startswith("rtt")
    number: float | None = getattr(window, f"relative_{field}" if relative else field)
    return number


def is_relative(windows: Sequence[doc.Window]) -> bool:
    """Return whether any one-way delay shown is only relative."""
    return any(window.one_way == "relative" for window in windows)


def _in_ms(field: str) -> Callable[[doc.Window], float | None]:
    def value(window: doc.Window) -> float | None:
        number = one_way_ns(window, field)
        return None if number is None else number / 1e6

    return value


def loss_line(windows: Sequence[doc.Window]) -> Line:
    """Return the loss curve in percent."""
    return line("loss", windows, lambda w: None if w.loss_ratio is None else w.loss_ratio * 100)


def flow_strip(windows: Sequence[doc.Window], words: Words) -> list[Spans]:
    """Return one block per flow: its median against the others and its loss over the windows.

    A flow that is slower than the fastest one stands higher; one that lost probes is marked.
    """
    sums: dict[int, list[float]] = {}
    sent: dict[int, int] = {}
    lost: dict[int, int] = {}
    for window in windows:
        for flow in window.flows or ():
            sent[flow.flow] = sent.get(flow.flow, 0) + (flow.sent or 0)
            lost[flow.flow] = lost.get(flow.flow, 0) + (flow.lost or 0)
            if flow.rtt_p50_ns is not None:
                sums.setdefault(flow.flow, []).append(flow.rtt_p50_ns)
    if not sent:
        return [plain(words("No per-flow figures."), "dim")]
    medians = {key: sorted(values)[len(values) // 2] for key, values in sums.items()}
    low, high = min(medians.values(), default=0.0), max(medians.values(), default=0.0)
    blocks: list[tuple[str, str]] = [(f"{words('Flows')}  ", "dim")]
    for number in sorted(sent):
        median = medians.get(number)
        tone = "bad" if lost[number] else "good"
        if median is None:
            blocks.append(("✗ ", "bad"))
            continue
        spread = high - low
        # below 5 % of the median, flows are taken as equal: the strip shows routes, not noise
        step = round((median - low) / spread * 7) if spread > 0.05 * low else 0
        blocks.append((f"{'▁▂▃▄▅▆▇█'[step]}{'!' if lost[number] else ' '}", tone))
    blocks.append(
        (
            f"  {words('median')} {delay(low if medians else None)} … "
            f"{delay(high if medians else None)}  "
            f"{words('{n} lost', n=sum(lost.values()))}",
            "dim",
        )
    )
    return [tuple(blocks)]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window as a table row."""

    window: doc.Window

    @property
    def key(self) -> str:
        """Protocol and start."""
        return f"{self.window.protocol} {self.window.start_ns}"


def window_cell(row: WindowRow, column: str, words: Words, zone: dt.tzinfo | None) -> Spans:
    """Return what `column` of a window says."""
    window = row.window
    if column == "start":
        return plain(clock_time(window.start_ns, zone))
    if column == "sent":
        return plain(count(window.sent))
    if column == "loss":
        return plain(ratio(window.loss_ratio), "doubt" if window.loss_ratio else "plain")
    if column == "lost":
        if window.sent is None or window.received is None:
            return plain(ABSENT, "dim")
        return plain(count(_lost(window)))
    if column in ("late", "duplicate", "reordered"):
        number: int | None = getattr(window, column)
        return plain(count(number), "doubt" if number else "dim")
    if column == "clock":
        return plain(delay(window.clock_bound_ns), "dim")
    if column == "timestamping":
        return plain(words(window.timestamping or "none"), "dim")
    kind, percentile = column[:-2], column[-2:]
    value = one_way_ns(window, f"{kind}_p{percentile}_ns")
    relative = kind != "rtt" and window.one_way == "relative" and value is not None
    tone = "dim" if value is None else "doubt" if relative else "plain"
    return plain(f"{'△' if relative else ''}{delay_ms(value)}", tone)


def _lost(window: doc.Window) -> int | None:
    parts = [window.lost_forward, window.lost_backward, window.lost_unknown]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
