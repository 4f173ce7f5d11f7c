"""The table a run ends with, as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from controller.commands.list_tables import aligned
from controller.judge.formatting import percent
from foundation.text import Language, Text, counted
from lab.fleet.comparison import Row, Summary
from lab.fleet.stored import Continuity
from lab.fleet.truth import EmulatorError

_HEADINGS = {
    "en": ("path", "target", "truth", "measured", "verdict", "expected", "correct"),
    "zh": ("路径", "指标", "真值", "实测", "判定", "应为", "正确"),
}
_OTHER_READING = Text("other reading", "参考读数")
_REASON = Text("why", "理由")
_WORDS = {
    "pass": Text("pass", "达标"),
    "fail": Text("fail", "不达标"),
    "undecided": Text("undecided", "无法判定"),
    "impossible": Text("impossible", "不可能达到"),
    "no_data": Text("no data", "无数据"),
    "either": Text("either", "真值不能判定"),
}


def _figure(value: float | None, unit: str, language: Language) -> str:
    if value is None:
        return "-"
    return percent(f"{value * 100:.3f}", language) if unit == "ratio" else f"{value / 1e6:.3f} ms"


_OPEN = Text("open", "未判定")


def is_open(row: Row) -> bool:
    """Tell whether nothing wrong was said, though the truth would have decided."""
    return row.correct is False and row.verdict in ("undecided", "no_data")


def _cells(row: Row, language: Language) -> tuple[str, ...]:
    is_loss = row.unit == "ratio"
    correct = {True: Text("yes", "是"), False: Text("NO", "否"), None: Text("-", "-")}
    return (
        row.path,
        row.target,
        _figure(row.truth_ratio if is_loss else row.truth_ns, row.unit, language),
        _figure(row.measured_ratio if is_loss else row.measured_ns, row.unit, language),
        _WORDS[row.verdict].pick(language),
        _WORDS[row.expected].pick(language),
        (_OPEN if is_open(row) else correct[row.correct]).pick(language),
    )


def table_lines(rows: Sequence[Row], language: Language) -> list[str]:
    """Return the table: one line per row, headings first."""
    return aligned([_HEADINGS[language], *(_cells(row, language) for row in rows)])


def verdict_lines(verdicts: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """Return a table of verdicts as the API gives them, where no truth is known, with reasons."""
    headings = _HEADINGS[language]
    other, why = _OTHER_READING.pick(language), _REASON.pick(language)
    cells = [(headings[0], headings[1], headings[3], other, headings[4], why)]
    cells += [
        (
            v["path"],
            v["target"],
            _figure(v["measured"], v["unit"], language),
            _figure((v["other_reading"] or {}).get("measured"), v["unit"], language),
            _word(v["verdict"], language),
            v["reason"][language],
        )
        for v in verdicts
    ]
    return aligned(cells)


def _word(verdict: str, language: Language) -> str:
    return _WORDS[verdict].pick(language)


def target_lines(verdicts: Sequence[tuple[str, str]], language: Language) -> list[str]:
    """Return one line per target: how many paths of each verdict, of (target, verdict)."""
    counts: dict[str, Counter[str]] = {}
    for target, verdict in verdicts:
        counts.setdefault(target, Counter())[verdict] += 1
    width = max((len(name) for name in counts), default=0)
    return [
        f"{name:<{width}}  "
        + ("，" if language == "zh" else ", ").join(
            f"{_WORDS[word].pick(language)} {n}" for word, n in sorted(count.items())
        )
        for name, count in counts.items()
    ]


def summary_lines(
    summary: Summary, error: EmulatorError, continuity: Continuity, language: Language
) -> list[str]:
    """Return the summary: verdicts against truth, medians, the emulator's error, the windows."""
    micro = "-" if math.isnan(summary.worst_p50_ns) else f"{summary.worst_p50_ns / 1e3:.1f} µs"
    emulator = " / ".join(
        f"{value / 1e3:.0f}" for value in (error.p50_ns, error.p90_ns, error.p99_ns, error.max_ns)
    )
    if language == "zh":
        return [
            f"判定：真值可判定的 {summary.decided_by_truth} 条中 {summary.correct} 条正确；"
            f"误判达标 {summary.wrong_passes}，误判不达标 {summary.wrong_fails}，"
            f"真值可判定而未判定 {summary.undecided}；"
            f"真值不能判定 {summary.rows - summary.decided_by_truth}",
            f"往返时延中位数：{summary.medians} 条路径与仿真记录相差不超过 {micro}",
            f"仿真误差（实际减设定，{error.packets} 个包）：p50 / p90 / p99 / 最大 = {emulator} µs",
            f"窗口：{continuity.streams} 条流共 {continuity.windows} 个，"
            f"缺失 {continuity.missing}，重复 {continuity.twice}；"
            f"因机器停顿未计入 {continuity.starved}；探测包 {continuity.probes} 个",
        ]
    return [
        f"Verdicts: {summary.correct} correct of {summary.decided_by_truth} that truth decides;"
        f" wrong passes {summary.wrong_passes}, wrong fails {summary.wrong_fails},"
        f" undecided though truth decides {summary.undecided};"
        f" not decided by truth {summary.rows - summary.decided_by_truth}",
        f"Round-trip medians: {counted(summary.medians, 'path')} within {micro} of the "
        "emulator's log",
        f"Emulator's own error, applied minus asked ({counted(error.packets, 'packet')}):"
        f" p50 / p90 / p99 / max = {emulator} µs",
        f"Windows: {continuity.windows:,} of {counted(continuity.streams, 'stream')},"
        f" missing {continuity.missing}, twice {continuity.twice};"
        f" left out since the machine stood still {continuity.starved};"
        f" {counted(continuity.probes, 'probe')}",
    ]
