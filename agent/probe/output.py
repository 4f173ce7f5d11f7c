"""What `isochrone probe` prints at its end: tables of targets and flows, and reasons."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.probe.figures import DELAY_KEYS, FLOW_KEYS
from agent.probe.reasons import sentences
from foundation.text import Language, Text, language_of_environment, plain
from probes.protocols.descriptor import SOURCE_PORT
from probes.protocols.registry import protocol_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from agent.probe.result import FlowResult, TargetResult

_HEADINGS = (
    ("target", Text("target", "目标")),
    ("asked", Text("asked", "要求")),
    ("sent", Text("sent", "发送")),
    ("not_sent", Text("not sent", "未发出")),
    ("kept", Text("rate kept", "速率保持")),
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
    ("timestamping", Text("timestamps", "时间戳")),
)
# Columns that are shown where any target has something of this.
_WHERE_ANY = {
    "asked": "not_sent",
    "not_sent": "not_sent",
    "kept": "slow",
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
_FLOW_HEADINGS = (
    ("target", Text("target", "目标")),
    ("flow", Text("flow", "流")),
    ("mark", SOURCE_PORT.title),
    ("label", Text("flow label", "流标签")),
    ("sent", Text("sent", "发送")),
    ("received", Text("recv", "收到")),
    ("loss", Text("loss", "丢包率")),
    ("ttl", Text("TTL", "TTL")),
    ("min", Text("min", "最小")),
    ("p50", Text("p50", "p50")),
    ("p95", Text("p95", "p95")),
    ("max", Text("max", "最大")),
    ("mean", Text("mean", "平均")),
)
_ONE_WAY = (
    ("forward", Text("forward p50", "去程 p50")),
    ("backward", Text("backward p50", "回程 p50")),
    ("bound", Text("± clock", "± 时钟")),
)
_LEAST_TARGET_WIDTH = 10
_NOTE = Text(
    "Round trip in ms. Percentiles count lost probes as infinitely late (“lost”); min, max and "
    "mean cover received probes only.",
    "往返时延，单位毫秒。百分位数将丢失的探测包视为无穷大（“丢失”）；最小、最大和平均值仅统计收到的探测包。",
)
_LOST = Text("lost", "丢失")
_TIMESTAMPS = {
    "none": Text("–", "–"),
    "user": Text("user", "用户态"),
    "kernel": Text("kernel", "内核"),
    "hardware": Text("hardware", "硬件"),
}


def is_one_way_known(result: TargetResult) -> bool:
    """Return whether both clocks are declared synchronised, so that one-way delay has a bound."""
    known = math.isfinite(result.clock_bound_ns) and math.isfinite(result.forward_ns["min"])
    return (
        known and "clock" not in result.nonconforming_replies
    )  # which gives the lie to what they declare


def print_table(results: Sequence[TargetResult]) -> None:
    """Print all targets as a table on standard output, and their flows where they have several."""
    from rich.console import Console

    language = language_of_environment()
    # Where nobody watches, no line is cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=False)
    _print(console, figures_table(results, language))
    if any(len(result.flows) > 1 for result in results):
        console.print()
        _print(console, flows_table(results, language))
    console.print(_NOTE.pick(language), style="dim")


def _print(console: Console, table: Table) -> None:
    """Print a table; a figure is never cut: where a terminal is too narrow, its lines wrap."""
    unbounded = console.options.update(max_width=1_000)
    least = console.measure(table, options=unbounded).minimum
    type(console)(width=max(console.width, least), highlight=False).print(table)


def figures_table(results: Sequence[TargetResult], language: Language) -> Table:
    """Return the figures of each target as a row."""
    headings = [each for each in _HEADINGS if each[0] not in _WHERE_ANY or _any(each[0], results)]
    columns = [*headings, *(_ONE_WAY if any(map(is_one_way_known, results)) else ())]
    rows = [(_style(result), _cells(result, language)) for result in results]
    return _table([(name, heading.pick(language)) for name, heading in columns], rows)


def flows_table(results: Sequence[TargetResult], language: Language) -> Table:
    """Return the figures of each flow of each target as a row."""
    flows = [(result, flow) for result in results for flow in result.flows]
    named = {name: heading.pick(language) for name, heading in _FLOW_HEADINGS}
    if results:  # a run is of one protocol
        named["mark"] = protocol_of(results[0].protocol).flow_mark.title.pick(language)
    if not any(flow.mark.label for _, flow in flows):
        del named["label"]
    rows = [(_style(flow), _flow_cells(result, flow, language)) for result, flow in flows]
    return _table(list(named.items()), rows)


def _style(result: TargetResult | FlowResult) -> str:
    hopeful = result.received or result.in_flight
    return "red" if not hopeful else "yellow" if result.lost else ""


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """Return rows (style, cells by name) under headings: the first column may be folded."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text as Cell

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name, heading in columns:
        first = name == "target"
        table.add_column(
            heading,
            justify="left" if first else "right",
            overflow="fold" if first else "ellipsis",
            no_wrap=not first,
        )
        texts = [heading, *(cells.get(name, "–") for _, cells in rows)]
        widest = max(map(cell_len, texts))
        table.columns[-1].min_width = min(widest, _LEAST_TARGET_WIDTH) if first else widest
    for style, cells in rows:
        table.add_row(*(Cell(cells.get(name, "–"), style=style) for name, _ in columns))
    return table


def print_reasons(results: Sequence[TargetResult]) -> None:
    """Print on standard error why targets could not be probed or did not answer."""
    told = [
        (remark, result.target, result.address) for result in results for remark in result.told()
    ]
    for sentence in sentences(told):
        sys.stderr.write(f"isochrone: {sentence.pick(language_of_environment())}\n")


def _cells(result: TargetResult, language: Language) -> dict[str, str]:
    shown = {
        "target": _label(result),
        "asked": str(result.asked),
        "sent": str(result.sent),
        "not_sent": _not_sent(result.not_sent, language),
        "unread": str(result.unread),
        "in_flight": str(result.in_flight),
        "received": str(result.received),
        "kept": "–" if result.pace is None else f"{math.floor(100 * result.pace.kept_ratio)}%",
        "loss": _loss(result),
        "timestamping": _TIMESTAMPS[result.timestamping].pick(language),
    }
    for key in DELAY_KEYS:
        shown[key] = _milliseconds(result.rtt_ns[key], language)
    if is_one_way_known(result):
        shown["forward"] = _milliseconds(result.forward_ns["p50"], language)
        shown["backward"] = _milliseconds(result.backward_ns["p50"], language)
        shown["bound"] = f"{result.clock_bound_ns / 1e6:.3f}"
    return shown


def _flow_cells(result: TargetResult, flow: FlowResult, language: Language) -> dict[str, str]:
    shown = {
        "target": _label(result),
        "flow": str(flow.flow),
        "sent": str(flow.sent),
        "received": str(flow.received),
        "loss": _loss(flow),
    }
    named = {"mark": flow.mark.mark, "label": flow.mark.label, "ttl": flow.hops.ttl}
    shown |= {name: str(value) for name, value in named.items() if value is not None}
    return shown | {key: _milliseconds(flow.rtt_ns[key], language) for key in FLOW_KEYS}


def _loss(result: TargetResult | FlowResult) -> str:
    return "–" if result.loss_ratio is None else f"{result.loss_ratio:.1%}"


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
