"""The faults: each has its name, what it may cost, and what must have been noticed."""

import dataclasses

import pytest

from agent.spool.counts import Count, count_of
from lab.faults.result import Result
from lab.faults.rows import FAULTS, Fault

QUIET = Result(
    sent=count_of(windows=9, probes=90),
    stored=count_of(windows=9, probes=90),
    dropped=Count(),
    by_reason={},
    waiting=Count(),
    on_the_wire=90,
    refused={},
    duplicates=0,
    agent_kills=0,
    problems=[],
)
SOME = count_of(windows=1, probes=10)


def fault(name: str) -> Fault:
    return next(each for each in FAULTS if each.name == name)


def test_names_are_unique_and_titles_are_in_both_languages() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS)
    assert all(each.title.en and each.title.zh for each in FAULTS)
    assert all(1 <= each.few_rounds <= each.rounds for each in FAULTS)


@pytest.mark.parametrize(
    ("name", "noticed"),
    [
        ("damaged-spool", {"by_reason": {"damaged": SOME}}),
        ("long-outage", {"dropped": SOME}),
        ("replayed", {"duplicates": 3}),
        ("beyond-policy", {"curtailed": {"protocols": 2}}),
    ],
)
def test_a_harm_that_nobody_noticed_is_a_problem(name: str, noticed: dict[str, object]) -> None:
    assert len(fault(name).problems(QUIET)) == 1
    assert list(fault(name).problems(dataclasses.replace(QUIET, **noticed))) == []  # type: ignore[arg-type]


def test_only_a_kill_a_full_or_damaged_disk_and_age_may_cost_anything() -> None:
    allowed = {reason for each in FAULTS for reason in each.losses}
    assert allowed == {"cut_off", "disk", "damaged", "too_old"}
    for name in ("calm", "controller-killed", "link-cut", "revoked", "forged-probe"):
        assert fault(name).losses == ()
