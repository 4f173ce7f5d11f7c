"""What became of everything: sent less stored less dropped must be nothing."""

from typing import Any

from agent.spool.counts import Count, count_of
from lab.faults.result import Result, curtailed_by_rule, dropped_by_reason, still_waiting


def health(*dropped: tuple[str, int, int], waiting: int = 0, **curtailed: int) -> dict[str, Any]:
    losses = [
        {"reason": reason, "counts": {"windows": windows, "probes": probes}}
        for reason, windows, probes in dropped
    ]
    rules = [{"rule": rule, "streams": streams} for rule, streams in curtailed.items()]
    totals = {"dropped": losses, "waiting": {"windows": waiting} if waiting else {}}
    return {"totals": totals, "curtailed": rules}


def result(sent: Count, stored: Count, dropped: Count) -> Result:
    return Result(
        sent=sent,
        stored=stored,
        dropped=dropped,
        by_reason={},
        waiting=Count(),
        on_the_wire=0,
        refused={},
        duplicates=0,
        agent_kills=0,
        problems=[],
    )


def test_what_is_stored_or_said_to_be_dropped_is_accounted_for_and_nothing_else_is() -> None:
    sent = count_of(windows=10, probes=400)
    part = count_of(windows=4, probes=150)
    assert not result(sent, sent, Count()).difference
    assert not result(sent, sent.less(part), part).difference
    assert result(sent, sent.less(part), Count()).difference == part
    doubled = result(sent, sent.plus(part), Count()).difference  # stored twice is no better
    assert (doubled.windows, doubled.probes) == (-4, -150)


def test_reports_of_all_agents_are_added_up_by_reason() -> None:
    healths = [health(("disk", 1, 30), ("too_old", 2, 60)), health(("disk", 3, 70)), health()]
    assert dropped_by_reason(healths) == {
        "disk": count_of(windows=4, probes=100),
        "too_old": count_of(windows=2, probes=60),
    }


def test_waiting_and_curtailed_are_of_all_agents() -> None:
    healths = [health(waiting=2, protocols=3), health(waiting=5, protocols=1, rate=4), health()]
    assert still_waiting(healths).windows == 7
    assert curtailed_by_rule(healths) == {"protocols": 4, "rate": 4}
    assert not still_waiting([])
