"""The table a run ends with, in both languages."""

import math

import pytest

from lab.fleet.comparison import Row, Summary
from lab.fleet.stored import Continuity
from lab.fleet.table import is_open, summary_lines, table_lines, target_lines, verdict_lines
from lab.fleet.truth import EmulatorError


def row(**more: object) -> Row:
    known = {
        "path": "a>b", "target": "circle", "truth_ns": 2e6, "measured_ns": None,
        "verdict": "pass", "expected": "pass", "correct": True, "unit": "ns", "limit": 5e6,
    }  # fmt: skip
    return Row(**{**known, **more})  # type: ignore[arg-type]


def test_a_figure_is_in_its_unit_and_absent_is_a_dash() -> None:
    delay, loss = row(), row(unit="ratio", truth_ratio=0.0125, measured_ratio=0.0)
    lines = [" ".join(line.split()) for line in table_lines([delay, loss], "en")[2:]]
    assert " 2.000 ms - pass" in lines[0]
    assert " 1.250 % 0.000 % pass" in lines[1]


@pytest.mark.parametrize(
    ("correct", "verdict", "said"),
    [
        (True, "pass", "yes"),
        (False, "fail", "NO"),
        (False, "undecided", "open"),
        (None, "fail", "-"),
    ],
)
def test_wrong_open_and_undecided_by_truth_are_told_apart(
    *, correct: bool | None, verdict: str, said: str
) -> None:
    one = row(correct=correct, verdict=verdict)
    assert table_lines([one], "en")[-1].split()[-1] == said
    assert is_open(one) == (said == "open")


def test_targets_are_counted_by_verdict() -> None:
    said = [("a", "pass"), ("b", "fail"), ("a", "pass"), ("a", "no_data")]
    assert target_lines(said, "en") == ["a  no data 1, pass 2", "b  fail 1"]
    assert target_lines(said, "zh")[1] == "b  不达标 1"
    assert target_lines([], "en") == []


def test_verdicts_without_a_truth_have_their_reasons() -> None:
    verdict = {
        "path": "a>b", "target": "circle", "measured": None, "unit": "ns", "other_reading": None,
        "verdict": "undecided", "reason": {"en": "too few", "zh": "样本不足"},
    }  # fmt: skip
    assert verdict_lines([verdict], "en")[-1].endswith("too few")
    assert verdict_lines([verdict], "zh")[-1].endswith("样本不足")


def test_a_run_in_which_nothing_left_is_summed_up_all_the_same() -> None:
    summary = Summary(0, 0, 0, 0, 0, 0, math.nan, 0)
    error = EmulatorError(0, 0.0, 0.0, 0.0, 0.0)
    continuity = Continuity(streams=1, windows=2, missing=3, twice=4, starved=5, probes=6)
    for language in ("en", "zh"):
        lines = summary_lines(summary, error, continuity, language)  # type: ignore[arg-type]
        assert len(lines) == 4
        assert "nan" not in " ".join(lines)
        assert all(str(number) in lines[-1] for number in range(1, 7))
