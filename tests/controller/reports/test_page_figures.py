"""Figures of a page: absent is a dash and never zero; both languages; nothing escapes its place."""

import datetime as dt
import math

import pytest

from controller.reports.page_figures import (
    ABSENT,
    both,
    duration,
    figure,
    interval,
    limit,
    moment,
    percent,
    share_range,
    share_strip,
)
from foundation.text import Text

SECOND = 1_000_000_000


@pytest.mark.parametrize("unit", ["ns", "ratio", "factor"])
@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_absent_is_a_dash(value: float | None, unit: str) -> None:
    assert figure(value, unit) == ABSENT
    assert limit(None, unit) == ABSENT
    assert interval(None, None, unit) == ABSENT
    assert percent(value) == ABSENT


def test_what_is_zero_is_said() -> None:
    assert figure(0.0, "factor") == "0.00 ×"
    assert "0" in percent(0.0)


def test_a_text_is_escaped_and_said_once_where_both_languages_agree() -> None:
    assert both(Text("<a>", "<a>")) == "&lt;a&gt;"
    said = both(Text("<en>", "<zh>"))
    assert "&lt;en&gt;" in said
    assert "&lt;zh&gt;" in said


def test_an_interval_of_a_factor_without_an_upper_end_says_at_least() -> None:
    assert interval(1.25, None, "factor") == "≥ 1.25 ×"
    assert interval(None, 1.5, "factor") == "0.00–1.50 ×"


def test_a_moment_in_utc_is_said_once_and_elsewhere_beside_utc() -> None:
    assert moment(0, dt.UTC).count("<time") == 1
    local = moment(0, dt.timezone(dt.timedelta(hours=8)))
    assert local.count("<time") == 2
    assert "1970-01-01 08:00:00 +08:00" in local
    assert "1970-01-01 00:00:00 UTC" in local


@pytest.mark.parametrize(
    ("seconds", "said"), [(179, "179 s"), (180, "3 min"), (3 * 3600, "3.0 h"), (0, "0 s")]
)
def test_a_duration_is_said_in_a_unit_of_its_size(seconds: int, said: str) -> None:
    assert said in duration(0, seconds * SECOND)
    assert duration(None, seconds * SECOND) == ""


def test_a_share_that_is_known_exactly_is_one_figure() -> None:
    assert share_range(0.5, 0.5) == percent(0.5)
    assert share_range(0.25, 0.5) == f"{percent(0.25)} – {percent(0.5)}"


def test_a_share_is_drawn_with_a_mark_for_each_goal() -> None:
    goals = {"2026": (0.8, "pass"), "2027": (0.9, "fail")}
    drawn = share_strip(0.5, 0.75, goals)
    assert drawn.count('class="limit"') == 2
    assert 'class="kept" x="0" y="5" width="75.0"' in drawn
    assert share_strip(math.nan, math.nan, goals) == ""
