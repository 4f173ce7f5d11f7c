"""The page of a target or group: members, what to fix, who could be inside, paths by verdict."""

from __future__ import annotations

from typing import Any

import pytest

from tui import documents as doc
from tui.fleet import Fleet
from tui.pages.target import model
from tui.words import Words

EN = Words("en")


def text_of(lines: list[tuple[tuple[str, str], ...]]) -> list[str]:
    return ["".join(text for text, _ in spans) for spans in lines]


def test_a_group_stands_for_its_members_and_a_target_for_itself(fleet: Fleet) -> None:
    group = model.target_of(fleet, "group:jiangsu-circles")
    assert group is not None
    assert group.kind == "group"
    circles = tuple(f"jiangsu-circle-{ms}" for ms in (1, 3, 5))
    assert model.members_of(fleet, "group:jiangsu-circles") == circles
    assert model.members_of(fleet, "wuxi-too-far") == ("wuxi-too-far",)
    assert model.target_of(fleet, "group:gone") is None
    assert model.members_of(fleet, "group:gone") == ()


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        (("circle-1", "circle-3", "circle-5"), "circle-"),
        (("one",), "one"),
        (("a", "b"), ""),
        ((), ""),
    ],
)
def test_a_common_stem_finds_all_names(names: tuple[str, ...], stem: str) -> None:
    assert model.common_stem(names) == stem


def remediation(**more: Any) -> doc.Remediation:
    known = {"name": "t", "goal": 0.95, "year": "2030", "total": 20, "passed": 16, "needed": 3}
    return doc.Remediation(**{**known, **more})


def test_what_to_fix_says_how_much_is_missing_or_that_nothing_is(fleet: Fleet) -> None:
    missing = text_of(model.remediation_lines(fleet, remediation(), EN))
    assert "16 of 20 paths pass; 3 more are needed for 2030 ≥95%." in missing
    reached = text_of(model.remediation_lines(fleet, remediation(needed=0), EN))
    assert reached[-1] == "The goal 2030 ≥95% is reached."
    assert text_of(model.remediation_lines(fleet, None, EN))[-1] == "Reading …"


def test_a_goal_beyond_reach_is_said_to_be(fleet: Fleet) -> None:
    lines = model.remediation_lines(fleet, remediation(reachable=False, best_ratio=0.9), EN)
    assert "Out of reach: 90.0% at best." in text_of(lines)


def test_a_ring_tells_who_could_be_inside_and_by_how_much(fleet: Fleet) -> None:
    near = doc.RingSite(site="suzhou", great_circle_km=100.0, margin_km=104.0, reachable=True)
    far = doc.RingSite(site="xuzhou", great_circle_km=280.0, margin_km=-75.0)
    lines = text_of(
        model.ring_lines(fleet, doc.Ring(target="t", centre="wuxi", sites=[near, far]), EN)
    )
    assert lines[0].endswith("around Wuxi")
    assert lines[1].startswith("✓ Suzhou")
    assert lines[1].endswith("not by road")
    assert lines[2].startswith("⊘ Xuzhou")
    assert model.ring_lines(fleet, None, EN) == []


def test_every_path_is_listed_once_the_worst_first(fleet: Fleet) -> None:
    lines = text_of(model.path_lines(fleet, "group:jiangsu-circles", EN))
    members = model.members_of(fleet, "group:jiangsu-circles")
    assert len(lines) == 1 + sum(verdict.target in members for verdict in fleet.verdicts)
    marks = [line[0] for line in lines[1:]]
    assert marks == sorted(marks, key="✗?·⊘✓".index)


def test_paths_over_ipv4_alone_are_counted_and_not_listed() -> None:
    fleet = Fleet(targets=(doc.Target(name="parity", ipv4_alone=3),))
    assert text_of(model.path_lines(fleet, "parity", EN))[1:] == [
        "3 more paths run only over IPv4 and are not judged."
    ]
