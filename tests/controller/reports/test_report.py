"""What a report says: the worst first, of the targets that were asked for alone."""

import math
from typing import Any

import pytest

from controller.campaigns.campaign_file import Campaign
from controller.reports.report import Report, assemble
from foundation.errors import ConfigError
from foundation.text import Text
from tests.controller.reports.report_documents import answers, group, remediation, target, verdict


def report(*targets: str, **changes: Any) -> Report:
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, targets=targets)
    return assemble(campaign, answers(**changes), 0, 1, None)


def test_the_worst_figure_of_an_indicator_is_named() -> None:
    circle = report().indicators[0]
    assert circle.worst is not None
    assert circle.worst.verdict == "impossible"
    assert circle.verdict == "fail"
    assert report().cells["a", "b"].verdict == "fail"


def test_an_unknown_target_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean `circle`"):
        report("circl")


def test_the_most_urgent_paths_stand_first() -> None:
    (circle,) = report().indicators
    assert [one.verdict for one in circle.verdicts] == [
        "fail",
        "undecided",
        "no_data",
        "impossible",
        "pass",
    ]


@pytest.mark.parametrize(
    ("found", "together"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "fail", "no_data"], "fail"),
        (["pass", "undecided"], "undecided"),
        (["pass", "no_data"], "undecided"),
        (["pass", "impossible"], "impossible"),
        (["no_data", "no_data"], "no_data"),
        ([], "no_data"),
    ],
)
def test_an_indicator_passes_only_where_every_path_does(found: list[str], together: str) -> None:
    verdicts = tuple(verdict(kind, number) for number, kind in enumerate(found))
    (circle,) = report(verdicts=verdicts).indicators
    assert circle.verdict == together


def test_paths_in_maintenance_count_for_nothing() -> None:
    found = report(verdicts=(verdict("fail", 9, maintenance=True), verdict("pass", 0)))
    (circle,) = found.indicators
    assert (circle.verdict, len(circle.verdicts)) == ("pass", 1)
    assert found.cells["a", "b"].paths == 1


def test_a_group_is_in_the_report_where_all_of_its_targets_are() -> None:
    given: dict[str, Any] = {"remediations": {"circles": remediation()}}
    whole = report(groups=(group(),), **given)
    assert [title.en for title, _ in whole.remediations] == ["Compliance rate"]
    part = report(groups=(group(targets=["circle", "gone"]),), **given)
    assert (part.groups, part.remediations) == ((), ())


def test_a_goal_that_is_reached_leaves_nothing_to_fix() -> None:
    given: dict[str, Any] = {"remediations": {"circles": remediation(needed=0)}}
    assert report(groups=(group(),), **given).remediations == ()


def test_a_share_of_nothing_that_was_decided_is_absent_and_not_zero() -> None:
    (circle,) = report(targets=(target(compliance=None),)).indicators
    assert math.isnan(circle.measured)
    assert math.isnan(circle.low)
