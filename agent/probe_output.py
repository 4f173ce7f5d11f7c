"""What `isochrone probe` prints at its end: a table or JSON lines, and reasons."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent.probe_figures import DELAY_KEYS
from agent.probe_reasons import sentences
from probes.stamp.oddities import remarks
from probes.text import Language, Text, language_of_environment, plain

if TYPE_CHECKING:
    from rich.table import Table

    from agent.probe_run import TargetResult

_HEADINGS = (
    ("target", Text("target", "目标")),
    ("asked", Text("asked", "要求")),
    ("sent", Text("sent", "发送")),
    ("not_sent", Text("not sent", "未发出")),
    ("received", Text("recv", "收到")),
    ("unread", Text("unread", "未读")),
    ("in_flight", Text("in flight", "在途")),
    ("loss", Text("loss", "丢包率")),
    ("min", Text("min", "最小")),
    ("p50", Text("p50", "p50")),
    ("p90", Text("p90", "p90")),
    ("p99", Text("p99", "p99")),
    ("max", Text("max", "最大")),
    ("mean", Text("mean", "平均")),
    ("stamping", Text("stamps", "时间戳")),
)
# Columns that are shown where any target has something of this.
_WHERE_ANY = {
    "asked": "not_sent",
    "not_sent": "not_sent",
    "unread": "unread",
    "in_flight": "in_flight",
}
_CAUSES = {
    "firewall": Text("firewall", "防火墙"),
    "no_route": Text("no route", "无路由"),
    "interface": Text("interface", "接口"),
    "queue": Text("queue", "队列"),
    "too_big": Text("too big", "过大"),
    "other": Text("other", "其他"),
}
_ONE_WAY = (
    ("forward", Text("forward p50", "去程 p50")),
    ("backward", Text("backward p50", "回程 p50")),
    ("bound", Text("± clock", "± 时钟")),
)
_LEAST_TARGET_WIDTH = 10
_NOTE = Text(
    "Round trip in ms. Percentiles count lost probes as infinitely late (“lost”); min, max and "
    "mean are of received probes only.",
    "往返时延，单位毫秒。百分位数将丢失的探测包视为无穷大（“丢失”）；最小、最大和平均值仅统计收到的探测包。",
)
_LOST = Text("lost", "丢失")
_STAMPS = {
    "none": Text("–", "–"),
    "user": Text("user", "用户态"),
    "kernel": Text("kernel", "内核"),
    "hardware": Text("hardware", "硬件"),
}


def is_one_way_known(result: TargetResult) -> bool:
    """Return whether both clocks are declared synchronised, so that one-way delay has a bound."""
    known = math.isfinite(result.clock_bound_ns) and math.isfinite(result.forward_ns["min"])
    return known and "clock" not in result.odd_replies  # which gives the lie to what they declare


def json_line(result: TargetResult) -> str:
    """Return one target as a JSON object. `null` where a delay is unknown or infinite (lost)."""
    document: dict[str, Any] = {
        "target": result.target,
        "protocol": result.protocol,
        "asked": result.asked,
        "sent": result.sent,
        "not_sent": sum(result.not_sent.values()),
        "not_sent_causes": result.not_sent,
        "received": result.received,
        "lost": result.lost,
        "loss_ratio": result.loss_ratio,
        "unread": result.unread,
        "in_flight": result.in_flight,
        "discarded": result.discarded,
        "late": result.late,
        "duplicate": result.duplicate,
        "dscp": result.marks.document(),
        "stamping": result.stamping,
        "rtt_ns": _delays(result.rtt_ns),
    }
    if is_one_way_known(result):
        document["forward_ns"] = _delays(result.forward_ns)
        document["backward_ns"] = _delays(result.backward_ns)
    if result.odd_replies:
        document["odd_replies"] = result.odd_replies
    if result.error is not None:
        (error,) = sentences([(result.error, result.target)])
        document["error"] = error.pick(language_of_environment())
    return plain(json.dumps(document, ensure_ascii=False))


def print_table(results: Sequence[TargetResult]) -> None:
    """Print all targets as a table on standard output."""
    from rich.console import Console

    language = language_of_environment()
    table = figures_table(results, language)
    # Where nobody watches, no line is cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=False)
    # A figure is never cut: where a terminal is too narrow, its lines wrap.
    unbounded = console.options.update(max_width=1_000)
    least = console.measure(table, options=unbounded).minimum
    wide = Console(width=max(console.width, least), highlight=False)
    wide.print(table)
    console.print(_NOTE.pick(language), style="dim")


def figures_table(results: Sequence[TargetResult], language: Language) -> Table:
    """Return the figures of each target as a row."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text as Cell

    headings = [each for each in _HEADINGS if each[0] not in _WHERE_ANY or _any(each[0], results)]
    columns = [*headings, *(_ONE_WAY if any(map(is_one_way_known, results)) else ())]
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name, heading in columns:
        first = name == "target"
        table.add_column(
            heading.pick(language),
            justify="left" if first else "right",
            overflow="fold" if first else "ellipsis",
            no_wrap=not first,
        )
    shown = [(result, _cells(result, language)) for result in results]
    for (name, heading), column in zip(columns, table.columns, strict=True):
        texts = [heading.pick(language), *(cells.get(name, "–") for _, cells in shown)]
        widest = max(map(cell_len, texts))
        column.min_width = min(widest, _LEAST_TARGET_WIDTH) if name == "target" else widest
    for result, cells in shown:
        hopeful = result.received or result.in_flight
        style = "red" if not hopeful else "yellow" if result.lost else ""
        table.add_row(*(Cell(cells.get(name, "–"), style=style) for name, _ in columns))
    return table


def print_reasons(results: Sequence[TargetResult]) -> None:
    """Print on standard error why targets could not be probed or did not answer."""
    told = [
        (reason, result.target)
        for result in results
        for reason in (result.error, *result.remarks, *remarks(result.odd_replies))
        if reason is not None
    ]
    for sentence in sentences(told):
        sys.stderr.write(f"isochrone: {sentence.pick(language_of_environment())}\n")


def _delays(figures: dict[str, float]) -> dict[str, float | None]:
    return {
        key: (round(figures[key], 1) if math.isfinite(figures[key]) else None) for key in DELAY_KEYS
    }


def _cells(result: TargetResult, language: Language) -> dict[str, str]:
    shown = {
        "target": _label(result),
        "asked": str(result.asked),
        "sent": str(result.sent),
        "not_sent": _not_sent(result.not_sent, language),
        "unread": str(result.unread),
        "in_flight": str(result.in_flight),
        "received": str(result.received),
        "loss": "–" if result.loss_ratio is None else f"{result.loss_ratio:.1%}",
        "stamping": _STAMPS[result.stamping].pick(language),
    }
    for key in DELAY_KEYS:
        shown[key] = _milliseconds(result.rtt_ns[key], language)
    if is_one_way_known(result):
        shown["forward"] = _milliseconds(result.forward_ns["p50"], language)
        shown["backward"] = _milliseconds(result.backward_ns["p50"], language)
        shown["bound"] = f"{result.clock_bound_ns / 1e6:.3f}"
    return shown


def _any(column: str, results: Sequence[TargetResult]) -> bool:
    """Tell whether any target has what a column is about."""
    return any(getattr(result, _WHERE_ANY[column]) for result in results)


def _not_sent(causes: dict[str, int], language: Language) -> str:
    """Return how many probes did not leave, by cause."""
    if not causes:
        return "0"
    apart = ", ".join(f"{_CAUSES[cause].pick(language)} {n}" for cause, n in causes.items())
    return f"{sum(causes.values())} ({apart})"


def _label(result: TargetResult) -> str:
    if result.address is None or result.address == result.target:
        return plain(result.target)
    return plain(f"{result.target} ({result.address})")


def _milliseconds(delay_ns: float, language: Language) -> str:
    if math.isnan(delay_ns):
        return "–"
    return _LOST.pick(language) if math.isinf(delay_ns) else f"{delay_ns / 1e6:.3f}"
