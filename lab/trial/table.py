"""What a trial ends with: a table for people, a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from controller.judge.formatting import percent
from foundation.text import Language, Text, counted
from lab.trial.families import FAMILIES
from lab.trial.summary import ERROR_RATE, Coverage, FamilyScore, Summary

_HEADINGS = (
    Text("family", "情形"),
    Text("cases", "例数"),
    Text("wrong pass", "误判达标"),
    Text("wrong fail", "误判不达标"),
    Text("undecided", "无法判定"),
    Text("needlessly", "其中不必要"),
    Text("what it is", "说明"),
)
_COVERAGE_HEADINGS = (
    Text("interval", "区间"),
    Text("intervals", "个数"),
    Text("hold the truth", "含真值"),
    Text("needed", "应达"),
    Text("median width / truth", "宽度/真值（中位数）"),
)
_KINDS = {
    "quantile_one_way": Text("quantile, one way", "单向分位数"),
    "quantile_round_trip": Text("quantile, round trip", "往返分位数"),
    "mean_one_way": Text("mean, one way", "单向平均"),
    "mean_round_trip": Text("mean, round trip", "往返平均"),
    "loss_one_way": Text("loss, one way", "单向丢包率"),
    "loss_round_trip": Text("loss, round trip", "往返丢包率"),
    "variation": Text("delay variation", "时延变化"),
    "pdv_one_way": Text("PDV, one way", "单向 PDV"),
    "pdv_round_trip": Text("PDV, round trip", "往返 PDV"),
    "ratio": Text("ratio to theory", "与理论时延之比"),
    "comparison_delay_ratio": Text("comparison, delay ratio", "对比：时延之比"),
    "comparison_delay_difference": Text("comparison, delay difference", "对比：时延之差"),
    "comparison_loss_ratio": Text("comparison, loss ratio", "对比：丢包率之比"),
    "comparison_loss_difference": Text("comparison, loss difference", "对比：丢包率之差"),
    "improvement_delay": Text("improvement, delay", "改善：时延"),
    "improvement_loss": Text("improvement, loss", "改善：丢包率"),
    "compliance": Text("compliance rate", "达标率"),
}


def document(summary: Summary, seed: int) -> dict[str, Any]:
    """Return the JSON document: totals of the promised families, coverage by kind, families."""
    beyond = [score for score in summary.families if not score.promised]
    return {
        "cases": summary.total("cases"),
        "seed": seed,
        "wrong_pass": summary.total("wrong_pass"),
        "wrong_fail": summary.total("wrong_fail"),
        "undecided": summary.total("undecided"),
        "undecided_needlessly": summary.total("undecided_needlessly"),
        "wrong_allowed": summary.wrong_allowed,
        "error_rate": ERROR_RATE,
        "coverage": {kind: round(found.ratio, 4) for kind, found in summary.coverage.items()},
        "coverage_detail": {
            kind: msgspec.to_builtins(found) for kind, found in summary.coverage.items()
        },
        "families": [msgspec.to_builtins(score) for score in summary.families if score.promised],
        "beyond_promise": [msgspec.to_builtins(score) for score in beyond],
        "broken": summary.broken(),
    }


def lines(summary: Summary, seed: int, language: Language) -> list[str]:
    """Return the table as lines: families, coverage, and what it comes to."""
    promised = [_cells(s, language) for s in summary.families if s.promised]
    beyond = [_cells(s, language) for s in summary.families if not s.promised]
    total = (
        Text("all promised", "承诺范围合计").pick(language),
        *(
            str(summary.total(name))
            for name in ("cases", "wrong_pass", "wrong_fail", "undecided", "undecided_needlessly")
        ),
        "",
    )
    headings = tuple(heading.pick(language) for heading in _HEADINGS)
    intervals = [_coverage_cells(k, found, language) for k, found in summary.coverage.items()]
    coverage_headings = tuple(heading.pick(language) for heading in _COVERAGE_HEADINGS)
    note = Text("Beyond what is promised:", "承诺范围之外：").pick(language)
    table = _table([headings, *promised, total, *beyond])
    cut = len(table) - len(beyond)
    shown = [*table[:cut], *([note, *table[cut:]] if beyond else [])]
    return [
        *shown,
        "",
        *_table([coverage_headings, *intervals]),
        "",
        *_verdict(summary, seed, language),
    ]


def _cells(score: FamilyScore, language: Language) -> tuple[str, ...]:
    title = next(family.title for family in FAMILIES if family.name == score.name)
    figures = (
        score.cases,
        score.wrong_pass,
        score.wrong_fail,
        score.undecided,
        score.undecided_needlessly,
    )
    return (score.name, *(str(figure) for figure in figures), title.pick(language))


def _coverage_cells(kind: str, found: Coverage, language: Language) -> tuple[str, ...]:
    width = (
        "-" if found.width_ratio is None else percent(f"{found.width_ratio * 100:.1f}", language)
    )
    return (
        _KINDS[kind].pick(language),
        str(found.intervals),
        percent(f"{found.ratio * 100:.1f}", language),
        percent(f"{found.needed / found.intervals * 100:.1f}", language),
        width,
    )


def _verdict(summary: Summary, seed: int, language: Language) -> list[str]:
    wrong = summary.total("wrong_pass") + summary.total("wrong_fail")
    cases = summary.total("cases")
    share = percent(f"{100 * wrong / cases:.2f}", language)
    told = Text(
        f"{counted(wrong, 'wrong verdict')} in {counted(cases, 'case')} ({share}); "
        f"{summary.wrong_allowed} ({ERROR_RATE:.0%}) are allowed. Seed {seed}.",
        f"{cases} 例中误判 {wrong} 例（{share}）；"
        f"允许 {summary.wrong_allowed} 例（{ERROR_RATE:.0%}）。"
        f"种子 {seed}。",
    )
    broken = summary.broken()
    said = Text(
        f"BROKEN: {', '.join(broken)}." if broken else "Every promise was kept.",
        f"未守承诺：{'、'.join(broken)}。" if broken else "所有承诺均得到遵守。",
    )
    return [told.pick(language), said.pick(language)]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align columns: the first and last to the left, figures to the right."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in rows]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = []
    for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blank = " " * (width - _width(cell))
        words = i == 0 or (i == len(row) - 1 and len(row) == len(_HEADINGS))
        cells.append(cell + blank if words else blank + cell)
    return cells


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes (Chinese characters take two)."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)
