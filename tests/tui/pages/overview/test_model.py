"""The overview: what a target's row and the lines below it say."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tui import documents as doc
from tui.fleet import Fleet
from tui.pages.overview import model
from tui.pages.overview.model import TargetRow
from tui.words import Words

EN = Words("en")


def said(spans: tuple[tuple[str, str], ...]) -> str:
    return "".join(text for text, _ in spans)


def row_of(fleet: Fleet, name: str) -> TargetRow:
    return next(row for row in model.rows(fleet) if row.key == name)


def test_groups_come_first_and_what_is_only_declared_comes_last(fleet: Fleet) -> None:
    keys = [row.key for row in model.rows(fleet)]
    assert keys[0] == "group:jiangsu-circles"
    assert keys[-2:] == ["jiangsu-otn", "yancheng-one-hop"]
    assert len(keys) == len(fleet.groups) + len(fleet.targets)


def test_a_rate_is_a_bar_of_what_is_sure_what_may_be_and_what_cannot() -> None:
    half = doc.Compliance(ratio=0.5, low=0.4, high=0.7)
    assert said(model.bar(half, [], 10)) == "▇▇▇▇▒▒▒░░░"
    assert said(model.bar(half, [0.85], 10)) == "▇▇▇▇▒▒▒░┃░"
    assert said(model.bar(half, [1.0], 10))[-1] == "┃"  # a goal of 100 % stands on the last cell


@pytest.mark.parametrize("width", [0, 1, 7, 33])
@pytest.mark.parametrize("low", [0.0, 1 / 3, 1.0])
def test_a_bar_is_as_wide_as_its_column(width: int, low: float) -> None:
    rate = doc.Compliance(ratio=low, low=low, high=1.0)
    for compliance in (None, rate):
        assert cell_len(said(model.bar(compliance, [0.85, 0.95], width))) == width


def test_without_a_verdict_there_is_no_rate_and_no_zero(fleet: Fleet) -> None:
    row = TargetRow(doc.Target(name="new"))
    assert [said(model.cell(row, column, 10, EN)) for column in ("rate", "range", "goals")] == [
        "–",
        "–",
        "–",
    ]
    assert "No path is decided yet" in "".join(map(said, model.detail(fleet, row.target, EN)))


def test_a_goal_has_its_own_verdict() -> None:
    target = doc.Target(
        name="t", goals={"2030": 0.95, "2025": 0.85}, goal_verdict={"2025": "pass", "2030": "fail"}
    )
    assert said(model.goals(target)) == "2025 ≥85% ✓  2030 ≥95% ✗"


def test_declared_figures_are_shown_as_declared_and_never_as_measured(fleet: Fleet) -> None:
    otn, hop = row_of(fleet, "jiangsu-otn"), row_of(fleet, "yancheng-one-hop")
    assert said(model.cell(otn, "bar", 20, EN)) == "92 … 95 %"
    assert said(model.cell(hop, "bar", 20, EN)) == "1 / 1"
    for column in ("pass", "fail", "rate"):
        assert said(model.cell(otn, column, 9, EN)) == "–"
    lines = [said(line) for line in model.detail(fleet, hop.target, EN)]
    assert "Yancheng Big-Data Park  yes  declared" in lines
    assert "Yancheng Dongtai  –  declared" in lines


def test_paths_to_look_at_are_the_worst_first_and_those_that_pass_are_none(fleet: Fleet) -> None:
    circle = row_of(fleet, "jiangsu-circle-5").target
    lines = [said(line) for line in model.to_fix(fleet, circle, EN, most=9)]
    assert lines[0] == "Paths to look at"
    listed = lines[1:]
    assert len(listed) == 8
    marks = [line[0] for line in listed]
    assert set(marks) <= set("✗?⊘")
    assert marks == sorted(marks, key="✗?⊘".index)


def test_the_source_and_the_rule_are_in_the_readers_language(fleet: Fleet) -> None:
    circle = row_of(fleet, "jiangsu-circle-1").target
    assert "江苏省 · 2025" in "".join(map(said, model.detail(fleet, circle, Words("zh"))))
    assert "Jiangsu · 2025" in "".join(map(said, model.detail(fleet, circle, EN)))
