"""What `isochrone list` says of each item: rows of cells, headings first, in aligned columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from controller.judge.formatting import delay, delay_range, limit_delay, ratio, ratio_range
from foundation.local_time import local_text
from foundation.text import Language, Text, plain

if TYPE_CHECKING:
    from controller.documents.certificates import IssuedCertificate
    from controller.documents.events import StateDocument
    from controller.documents.path_schema import PathDocument, VerdictDocument
    from controller.documents.places import AgentDocument

ABSENT = "-"
Table = list[tuple[str, ...]]
STATE_WORDS = {
    "ok": Text("ok", "正常"),
    "failing": Text("failing", "不达标"),
    "undecided": Text("undecided", "无法判定"),
    "late": Text("late", "数据延迟"),
    "no_data": Text("no data", "无数据"),
    "agent_down": Text("agent down", "探针离线"),
    "path_down": Text("path down", "路径中断"),
    "never_seen": Text("never seen", "从未连接"),
    "maintenance": Text("maintenance", "维护中"),
    "curtailed": Text("curtailed", "受所有者限制"),
}
CERTIFICATE_WORDS = {
    "good": Text("good", "有效"),
    "expired": Text("expired", "已过期"),
    "revoked": Text("revoked", "已吊销"),
}
KIND_WORDS = {
    "agent": Text("agent", "探针"),
    "path": Text("path", "路径"),
    "stream": Text("stream", "测量流"),
}


def _headed(language: Language, *headings: Text) -> Table:
    return [tuple(heading.pick(language) for heading in headings)]


def agent_cells(items: Sequence[AgentDocument], language: Language) -> Table:
    """Return the table of agents: who they are, how they are and which plan they run."""
    cells = _headed(
        language,
        Text("agent", "探针"),
        Text("state", "状态"),
        Text("last seen", "最近在线"),
        Text("plan", "计划"),
        Text("streams", "测量流"),
        Text("windows", "窗口"),
        Text("clock bound", "时钟误差界"),
        Text("version", "版本"),
        Text("copy refused", "克隆被拒绝"),
    )
    for one in items:
        running = ABSENT if one.plan_version is None else str(one.plan_version)
        behind = (
            "" if one.plan_version == one.wanted_plan_version else f" → {one.wanted_plan_version}"
        )
        health = one.health
        bound = None if health is None else health.clock_bound_ns
        cells.append(
            (
                one.name,
                STATE_WORDS[one.state].pick(language),
                _moment(one.last_seen_ns),
                running + behind,
                ABSENT if health is None else str(health.streams),
                str(one.windows_stored),
                ABSENT if bound is None else f"±{delay(bound, language)}",
                ABSENT if health is None else health.version,
                _moment(None if one.duplicate is None else one.duplicate.refused_ns),
            )
        )
    return cells


def certificate_cells(items: Sequence[IssuedCertificate], language: Language) -> Table:
    """Return the table of certificates: whose they are and until when they hold."""
    cells = _headed(
        language,
        Text("agent", "探针"),
        Text("state", "状态"),
        Text("issued", "签发时间"),
        Text("expires", "到期时间"),
        Text("revoked", "吊销时间"),
        Text("serial", "序列号"),
    )
    for one in items:
        times = (one.issued_ns, one.expires_ns, one.revoked_ns)
        state = CERTIFICATE_WORDS[one.state].pick(language)
        cells.append((one.agent, state, *(_moment(time) for time in times), one.serial))
    return cells


def path_cells(items: Sequence[PathDocument], language: Language) -> Table:
    """Return the table of paths: one row a protocol."""
    cells = _headed(
        language,
        Text("path", "路径"),
        Text("state", "状态"),
        Text("protocol", "协议"),
        Text("sent", "已发出"),
        Text("loss", "丢包率"),
        Text("median round trip", "往返中位数"),
        Text("p95 round trip", "往返 P95"),
        Text("last window", "最近窗口"),
    )
    for one in items:
        state = STATE_WORDS[one.state].pick(language)
        if not one.figures:
            cells.append((one.id, state, *(ABSENT,) * 6))
        for protocol, found in one.figures.items():
            lost = found.loss_ratio
            cells.append(
                (
                    one.id,
                    state,
                    protocol,
                    str(found.sent),
                    ABSENT if lost is None else ratio(lost, language),
                    _delay(found.rtt_p50_ns, language),
                    _delay(found.rtt_p95_ns, language),
                    _newest(found.last_window_ns, found.stale, language),
                )
            )
    return cells


def verdict_cells(items: Sequence[VerdictDocument], language: Language) -> Table:
    """Return the table of verdicts: the interval and the limit of each."""
    from controller.reports.words import VERDICT_WORDS

    cells = _headed(
        language,
        Text("path", "路径"),
        Text("target", "指标"),
        Text("verdict", "判定"),
        Text("measured", "实测"),
        Text("interval", "区间"),
        Text("limit", "限值"),
        Text("since", "起始时间"),
        Text("data until", "数据截至"),
    )
    for one in items:
        cells.append(
            (
                one.path,
                one.target,
                VERDICT_WORDS[one.verdict].pick(language),
                _figure(one.measured, one.unit, language),
                _interval(one, language),
                _limit(one, language),
                _moment(one.since_ns),
                _newest(one.evidence_ns, one.stale, language),
            )
        )
    return cells


def state_cells(items: Sequence[StateDocument], language: Language) -> Table:
    """Return the table of states: what stands how since when."""
    cells = _headed(
        language,
        Text("kind", "类别"),
        Text("name", "名称"),
        Text("state", "状态"),
        Text("since", "起始时间"),
    )
    for one in items:
        kind, state = KIND_WORDS[one.kind].pick(language), STATE_WORDS[one.state].pick(language)
        cells.append((kind, one.subject, state, _moment(one.since_ns)))
    return cells


def _moment(time_ns: int | None) -> str:
    return ABSENT if time_ns is None else local_text(time_ns)


def _newest(time_ns: int | None, stale: bool, language: Language) -> str:
    """Return until when there is data, marked where that is too long ago to say how it is now."""
    mark = Text(" (too old)", "（已过旧）").pick(language)
    return _moment(time_ns) + (mark if stale and time_ns is not None else "")


def _delay(value_ns: float | None, language: Language) -> str:
    return ABSENT if value_ns is None else delay(value_ns, language)


def _figure(value: float | None, unit: str, language: Language) -> str:
    if value is None:
        return ABSENT
    return delay(value, language) if unit == "ns" else ratio(value, language)


def _interval(one: VerdictDocument, language: Language) -> str:
    if one.low is None and one.high is None:
        return ABSENT
    low = float("-inf") if one.low is None else one.low
    high = float("inf") if one.high is None else one.high
    if one.unit == "ns":
        return delay_range(low, high, language)
    return ratio_range(max(low, 0.0), high, language)


def _limit(one: VerdictDocument, language: Language) -> str:
    if one.unit == "ns":
        return ABSENT if one.limit_ns is None else limit_delay(one.limit_ns, language)
    return ABSENT if one.limit_ratio is None else ratio(one.limit_ratio, language)


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row of `cells`, headings first, which are underlined."""
    rows = [[plain(cell) for cell in row] for row in cells]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines
