"""A target's rule in few cells and in a sentence."""

from typing import Any

import pytest

from tui.documents import Target
from tui.rules import limit, long_rule, short_rule
from tui.words import Words


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"limit_ms": 1.0}, "≤ 1 ms"),
        ({"limit_ms": 1.5}, "≤ 1.5 ms"),
        ({"kind": "loss", "limit_ratio": 0.0077}, "≤ 0.77%"),
        ({"kind": "delay_ratio", "limit_ratio": 1.5}, "≤ 1.5 ×"),
        ({"kind": "comparison", "limit_ratio": 1.0}, "≤ 1 ×"),
        ({"kind": "improvement", "limit_ratio": 0.3}, "↓ 30%"),
        ({}, "–"),
    ],
)
def test_a_limit_has_the_unit_of_its_kind(told: dict[str, Any], said: str) -> None:
    assert limit(Target(name="t", **told)) == said


def test_a_short_rule_has_direction_and_statistic_where_the_kind_has_one() -> None:
    way: dict[str, Any] = {"direction": "one_way", "statistic": "p95"}
    assert short_rule(Target(name="t", limit_ms=4, **way)) == "≤ 4 ms → p95"
    assert short_rule(Target(name="t", kind="loss", limit_ratio=0.01, **way)) == "≤ 1% →"
    assert short_rule(Target(name="t", kind="inventory")) == "–"


def test_a_long_rule_tells_what_we_read_into_a_plan() -> None:
    words, told = Words("en"), {"limit_ms": 4.0, "direction": "round_trip", "statistic": "p95"}
    stated = Target(name="t", direction_stated=True, **told)  # type: ignore[arg-type]
    ours = Target(name="t", **told)  # type: ignore[arg-type]
    assert long_rule(stated, words) == "delay · round trip · 95th percentile · ≤ 4 ms"
    assert "our reading; the plan does not say" in long_rule(ours, words)
    assert "not measured" in long_rule(Target(name="t", kind="one_hop"), words)
