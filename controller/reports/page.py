"""A Report as one self-contained HTML page: no outside requests, both languages, fit to print."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from controller.judge import formatting
from controller.reports.report import URGENCY, excess, limit_of
from foundation.errors import UsageError
from foundation.local_time import chosen_zone, local_text, zone_of
from foundation.text import Text, plain

if TYPE_CHECKING:
    from controller.documents.verdicts import VerdictDocument
    from controller.live.accounts import AccountDocument
    from controller.reports.report import Report

VERDICT_WORDS = {
    "pass": Text("Pass", "达标"),
    "fail": Text("Fail", "不达标"),
    "undecided": Text("Undecided", "无法判定"),
    "impossible": Text("Impossible", "不可能达到"),
    "no_data": Text("No data", "无数据"),
}
# A sign beside the colour: for printers and for eyes that do not tell red from green.
VERDICT_SIGNS = {"pass": "✓", "fail": "✕", "undecided": "?", "impossible": "⊘", "no_data": "–"}
DIRECTION_WORDS = {
    "one_way": Text("one way", "单向"),
    "round_trip": Text("round trip", "往返"),
}
STATISTIC_WORDS = {
    "p50": Text("median", "中位数"),
    "p90": Text("p90", "P90"),
    "p95": Text("p95", "P95"),
    "p99": Text("p99", "P99"),
    "p999": Text("p99.9", "P99.9"),
    "mean": Text("mean", "平均值"),
    "max": Text("maximum", "最大值"),
}
KIND_WORDS = {
    "delay": Text("delay", "时延"),
    "loss": Text("loss", "丢包率"),
    "delay_ratio": Text("delay over theoretical delay", "时延与理论时延之比"),
    "variation": Text("delay variation", "时延变化"),
    "improvement": Text("improvement on a baseline", "较基线期改善"),
    "comparison": Text("beside the ordinary path", "与普通路径对比"),
    "ipv6_parity": Text("IPv6 beside IPv4", "IPv6 与 IPv4 对比"),
    "one_hop": Text("one-hop link", "一跳直达"),
    "inventory": Text("declared figure", "申报数据"),
}
TIMESTAMPING_WORDS = {
    "none": Text("none", "无"),
    "user": Text("user space", "用户态"),
    "kernel": Text("kernel", "内核"),
    "hardware": Text("hardware", "硬件"),
}
# Why probes that were due are not judged, as the account has it.
LEFT_OUT_WORDS = {
    "not_sent": Text("never left their sender", "个未能发出"),
    "suspect": Text("left out: measured by a machine that stood still", "个不计：测量时主机停顿"),
    "change": Text(
        "left out: in the windows in which it begins and ends", "个不计：处于起止时刻所在窗口"
    ),
    "maintenance": Text("left out: announced maintenance", "个不计：已公告的维护时段"),
    "unanswered": Text(
        "left out: the agent at the far end did not answer", "个不计：对端探针未应答"
    ),
    "curtailed": Text(
        "not sent: refused or slowed by owners of agents", "个未发：被探针所有者拒绝或限速"
    ),
    "missing": Text("missing: no window of that time came in", "个缺失：没有收到该时段的窗口"),
}
STRIP_WIDTH, STRIP_SPAN = 150.0, 2.0  # the strip of an interval reaches to twice the limit


# Of these a ratio is measured over reference, written as a factor; of loss it is a percentage.
FACTOR_KINDS = ("improvement", "comparison", "ipv6_parity")


def render_report(report: Report) -> str:
    """Return the page. Everything that comes from outside is escaped, and plain writing."""
    factors = {i.target.name for i in report.indicators if i.target.kind in FACTOR_KINDS}

    def unit_of(unit: str, target: str) -> str:
        return "factor" if unit == "ratio" and target in factors else unit

    def reading(value: float | None, unit: str, target: str, *, exact: bool = False) -> Markup:
        chosen = unit_of(unit, target)
        return limit(value, chosen) if exact else figure(value, chosen)

    zone = _zone(report.campaign.time_zone)

    def when(time_ns: int | None) -> Markup:
        return moment(time_ns, zone)

    def period(from_ns: int | None, to_ns: int | None) -> Markup:
        return stretch(from_ns, to_ns, zone)

    page = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            urgency=URGENCY,
            unit_of=unit_of,
            reading=reading,
            when=when,
            period=period,
        )
    )
    return plain(page, lines=True)


def _zone(name: str | None) -> dt.tzinfo | None:
    """Return the zone of that name; one that this system no longer knows costs no report."""
    with contextlib.suppress(UsageError):
        return chosen_zone() if name is None else zone_of(name)
    return dt.UTC


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("controller.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: dict[str, dict[str, Text]] = {
        "verdict_words": VERDICT_WORDS,
        "direction_words": DIRECTION_WORDS,
        "statistic_words": STATISTIC_WORDS,
        "kind_words": KIND_WORDS,
        "timestamping_words": TIMESTAMPING_WORDS,
    }
    functions: dict[str, Callable[..., Any]] = {
        "both": both,
        "say": lambda en, zh: both(Text(en, zh)),
        "figure": figure,
        "interval": interval,
        "limit_of": limit_of,
        "percent": percent,
        "percentage": percentage,
        "share_range": share_range,
        "duration": duration,
        "strip": strip,
        "share_strip": share_strip,
        "excluded": excluded,
    }
    environment.globals.update(words, **functions, signs=VERDICT_SIGNS, DASH=ABSENT)
    return environment


def excluded(account: AccountDocument) -> list[tuple[Text, int]]:
    """Return why probes that were due are not judged, and how many each time; none that is 0."""
    counts = ((text, getattr(account.excluded, cause)) for cause, text in LEFT_OUT_WORDS.items())
    return [(text, count) for text, count in counts if count]


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


__all__ = ["excess", "render_report"]
