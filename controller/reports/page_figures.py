"""Figures, times and small drawings as they stand on a page, in both languages."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from controller.judge import formatting
from controller.reports.report import limit_of
from foundation.local_time import local_text
from foundation.text import Text

if TYPE_CHECKING:
    from controller.documents.path_schema import VerdictDocument

STRIP_WIDTH, STRIP_SPAN = 150.0, 2.0  # the strip of an interval reaches to twice the limit

_TIME = Markup('<time datetime="{}">{}</time>')
ABSENT = Markup('<span class="absent">—</span>')


def both(text: Text) -> Markup:
    """Return a sentence in both languages; the page shows the chosen one."""
    if text.en == text.zh:
        return escape(text.en)
    return Markup(
        '<span class="zh" lang="zh">{}</span><span class="en" lang="en">{}</span>'
    ).format(text.zh, text.en)


def figure(value: float | None, unit: str) -> Markup:
    """Return a delay (ns), a ratio or a factor; a dash where there is none."""
    if value is None or math.isnan(value):
        return ABSENT
    if unit == "factor":
        return escape(f"{value:.2f} ×")
    if unit == "ratio":
        return both(Text(formatting.ratio(value), formatting.ratio(value, "zh")))
    return both(Text(formatting.delay(value), formatting.delay(value, "zh")))


def interval(low: float | None, high: float | None, unit: str) -> Markup:
    """Return the interval a verdict is based on; an end that is not known is said to be so."""
    if low is None and high is None:
        return ABSENT
    bottom = -math.inf if low is None else low
    top = math.inf if high is None else high
    if unit == "factor":
        known = f"{max(bottom, 0.0):.2f}"
        return escape(f"{known}–{top:.2f} ×" if math.isfinite(top) else f"≥ {known} ×")
    if unit == "ratio":
        shares = max(bottom, 0.0), min(top, 1.0)
        return both(Text(formatting.ratio_range(*shares), formatting.ratio_range(*shares, "zh")))
    return both(
        Text(formatting.delay_range(bottom, top), formatting.delay_range(bottom, top, "zh"))
    )


def limit(bound: float | None, unit: str) -> Markup:
    """Return a limit as people say it."""
    if bound is None or unit != "ns":
        return figure(bound, unit)
    return both(Text(formatting.limit_delay(bound), formatting.limit_delay(bound, "zh")))


def percent(ratio: float | None) -> Markup:
    """Return a share such as ``87.5 %``; a dash where there is none."""
    if ratio is None or math.isnan(ratio):
        return ABSENT
    return percentage(f"{100 * ratio:.1f}".removesuffix(".0"))


def percentage(digits: str) -> Markup:
    """Return digits with their percent sign, as each language sets it."""
    return both(Text(formatting.percent(digits), formatting.percent(digits, "zh")))


def share_range(low: float | None, high: float | None) -> Markup:
    """Return from how much to how much a share may be; one figure where nothing is open."""
    return percent(low) if low == high else Markup("{} – {}").format(percent(low), percent(high))


def moment(time_ns: int | None, zone: dt.tzinfo | None) -> Markup:
    """Return a moment with its offset from UTC, and beside it, where that is another, in UTC."""
    if time_ns is None:
        return ABSENT
    local, utc = _local(time_ns, zone), _utc(time_ns)
    return local if local == utc else Markup("{} <small>({})</small>").format(local, utc)


def stretch(from_ns: int | None, to_ns: int | None, zone: dt.tzinfo | None) -> Markup:
    """Return from when to when, likewise."""
    if from_ns is None or to_ns is None:
        return ABSENT
    local = Markup(" – ").join((_local(from_ns, zone), _local(to_ns, zone)))
    utc = Markup(" – ").join((_utc(from_ns), _utc(to_ns)))
    return local if local == utc else Markup("{}<br><small>{}</small>").format(local, utc)


def _local(time_ns: int, zone: dt.tzinfo | None) -> Markup:
    text = local_text(time_ns, zone=zone)
    if text.endswith("+00:00"):
        return _utc(time_ns)
    return _TIME.format(text, f"{text[:10]} {text[11:19]} {text[19:]}")


def _utc(time_ns: int) -> Markup:
    text = local_text(time_ns, zone=dt.UTC)
    return _TIME.format(text, f"{text[:10]} {text[11:19]} UTC")


def duration(from_ns: int | None, to_ns: int | None) -> Markup:
    """Return how long a stretch of time was; nothing where it was none."""
    if from_ns is None or to_ns is None:
        return Markup("")
    seconds = (to_ns - from_ns) / 1e9
    if seconds < 180:
        return both(Text(f"{seconds:.0f} s", f"{seconds:.0f} 秒"))
    if seconds < 3 * 3600:
        return both(Text(f"{seconds / 60:.0f} min", f"{seconds / 60:.0f} 分钟"))
    return both(Text(f"{seconds / 3600:.1f} h", f"{seconds / 3600:.1f} 小时"))


def strip(verdict: VerdictDocument) -> Markup:
    """Return a small drawing: the interval against the limit, which is in the middle."""
    bound = limit_of(verdict)
    if not bound or (verdict.low is None and verdict.high is None and verdict.measured is None):
        return Markup("")

    def place(value: float) -> float:
        return STRIP_WIDTH * min(max(value / bound, 0.0), STRIP_SPAN) / STRIP_SPAN

    left = 0.0 if verdict.low is None else place(verdict.low)
    right = STRIP_WIDTH if verdict.high is None else place(verdict.high)
    if verdict.low is None and verdict.high is None:
        left = right = place(verdict.measured or 0.0)
    bar = Markup('<rect class="bar" x="{:.1f}" y="6" width="{:.1f}" height="6" rx="3"/>').format(
        left, max(right - left, 2.0)
    )
    dot = Markup("")
    if verdict.measured is not None:
        dot = Markup('<circle class="dot" cx="{:.1f}" cy="9" r="3.2"/>').format(
            place(verdict.measured)
        )
    half = STRIP_WIDTH / STRIP_SPAN
    return Markup(
        '<svg class="strip {}" viewBox="-4 0 158 18" width="158" height="18" aria-hidden="true">'
        '<line class="axis" x1="0" x2="150" y1="9" y2="9"/>{}'
        '<line class="limit" x1="{:.1f}" x2="{:.1f}" y1="1" y2="17"/>{}</svg>'
    ).format(verdict.verdict, bar, half, half, dot)


def share_strip(low: float, high: float, goals: dict[str, tuple[float, str]]) -> Markup:
    """Return a drawing of a share from 0 to 100 %: kept, open, and a mark for each year's goal."""
    if math.isnan(low):
        return Markup("")
    marks = Markup("").join(
        Markup('<line class="limit" x1="{0:.1f}" x2="{0:.1f}" y1="1" y2="17"/>').format(150 * goal)
        for goal, _ in goals.values()
    )
    return Markup(
        '<svg class="strip share" viewBox="-4 0 158 18" width="158" height="18" aria-hidden="true">'
        '<rect class="whole" x="0" y="5" width="150" height="8" rx="1"/>'
        '<rect class="open" x="{:.1f}" y="5" width="{:.1f}" height="8"/>'
        '<rect class="kept" x="0" y="5" width="{:.1f}" height="8" rx="1"/>{}</svg>'
    ).format(150 * low, 150 * (high - low), 150 * low, marks)
