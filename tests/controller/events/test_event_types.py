"""Every event is its own type: what it leaves in the log, and what is remembered of it."""

from __future__ import annotations

import pytest

from controller.events.event_types import (
    AgentChanged,
    CampaignChanged,
    Change,
    ControllerChanged,
    DuplicateRefused,
    MaintenanceChanged,
    NothingMeasuredYet,
    PathChanged,
    PlanChanged,
    RoundJudged,
    StreamChanged,
    VerdictChanged,
)
from controller.store.event_log import EventRecord, SubjectState

NOW_NS = 1_800_000_000_000_000_000


def test_a_change_is_logged_with_what_was_before() -> None:
    change = AgentChanged(
        at_ns=NOW_NS, agent="nanjing", state="late", previous="ok", previous_since_ns=NOW_NS - 9
    )
    assert change.record() == EventRecord(
        at_ns=NOW_NS,
        kind="agent",
        subject="nanjing",
        state="late",
        previous="ok",
        previous_since_ns=NOW_NS - 9,
    )
    assert change.kept_state() == SubjectState(
        kind="agent", subject="nanjing", state="late", since_ns=NOW_NS
    )


def test_a_verdict_is_of_a_path_and_a_target_and_stands_since_it_was_found() -> None:
    change = VerdictChanged(
        at_ns=NOW_NS, path="a>b", target="circle", state="fail", since_ns=NOW_NS - 5
    )
    assert (change.record().subject, change.record().target) == ("a>b", "circle")
    assert change.record().at_ns == NOW_NS
    assert change.kept_state() == SubjectState(
        kind="verdict", subject="a>b", target="circle", state="fail", since_ns=NOW_NS - 5
    )


@pytest.mark.parametrize(
    ("change", "kind", "subject", "remembered"),
    [
        (AgentChanged(at_ns=1, agent="a", state="ok"), "agent", "a", True),
        (DuplicateRefused(at_ns=1, agent="a"), "agent", "a", False),
        (PathChanged(at_ns=1, path="a>b", state="ok"), "path", "a>b", True),
        (StreamChanged(at_ns=1, stream_id="17", state="ok"), "stream", "17", True),
        (MaintenanceChanged(at_ns=1, maintenance=3, state="begun"), "maintenance", "3", True),
        (CampaignChanged(at_ns=1, campaign="voice", state="ended"), "campaign", "voice", False),
        (ControllerChanged(at_ns=1, part="judging", state="late"), "controller", "judging", False),
    ],
)
def test_each_change_names_its_subject_and_whether_it_outlives_a_restart(
    change: Change, kind: str, subject: str, remembered: bool
) -> None:
    record = change.record()
    assert (record.kind, record.subject, record.target) == (kind, subject, None)
    assert (change.logged, change.remembered) == (True, remembered)


def test_that_nothing_was_measured_yet_is_remembered_and_no_event() -> None:
    change = NothingMeasuredYet(at_ns=1, path="a>b", target="t", state="no_data", since_ns=1)
    assert (change.logged, change.remembered) == (False, True)


def test_what_is_no_change_of_a_subject_is_told_and_not_logged() -> None:
    for event in (PlanChanged(at_ns=1, agent="a", version=2), RoundJudged(at_ns=1, revision=3)):
        assert (event.logged, event.remembered) == (False, False)
