"""What did not come to what was asked is told while it continues, by cause, and summed up."""

import dataclasses

import numpy as np

from agent.conditions import Conditions
from agent.measuring.shortfalls import COUNTED, OVER_AFTER_NS, Shortfalls
from probes.window import COUNTERS, WindowBatch


def windows(**counts: int) -> WindowBatch:
    counters = {name: np.array([counts.get(name, 0)], np.uint32) for name in COUNTERS}
    return dataclasses.replace(WindowBatch.empty(0, 1), counters=counters)


def told(conditions: Conditions) -> dict[str, str]:
    return {condition.code: condition.text.en for condition in conditions.current()}


def test_probes_that_do_not_leave_are_a_condition_until_they_leave_again() -> None:
    shortfalls, conditions = Shortfalls(), Conditions()
    shortfalls.take(windows(sent=10))
    shortfalls.tell(conditions, 0)
    assert told(conditions) == {}
    shortfalls.take(windows(sent=7, not_sent_firewall=3))
    shortfalls.take(windows(sent=6, not_sent_firewall=3, not_sent_queue=1))
    shortfalls.tell(conditions, 1)
    assert "6 by this machine's firewall" in told(conditions)["not_sent"]
    assert "1 dropped by this machine's queue" in told(conditions)["not_sent"]
    shortfalls.take(windows(sent=10))
    shortfalls.tell(conditions, OVER_AFTER_NS)
    assert "not_sent" in told(conditions)
    shortfalls.tell(conditions, OVER_AFTER_NS + 2)
    assert told(conditions) == {}
    shortfalls.take(windows(sent=9, not_sent_firewall=1))
    shortfalls.tell(conditions, OVER_AFTER_NS + 3)
    assert "1 by this machine's firewall" in told(conditions)["not_sent"]  # counted again


def test_a_rate_that_was_not_kept_is_told_with_how_much_of_it_was() -> None:
    shortfalls, conditions = Shortfalls(), Conditions()
    shortfalls.take(windows(sent=1000))
    shortfalls.tell(conditions, 0)
    shortfalls.take(windows(sent=60, not_sent_skipped=41))
    shortfalls.tell(conditions, 1)
    assert "41 skipped since the agent was late" in told(conditions)["not_sent"]
    assert "at least 59% of the requested rate was achieved" in told(conditions)["not_sent"]
    shortfalls.take(windows(sent=99))
    shortfalls.take(windows(sent=95, not_sent_skipped=5))
    shortfalls.tell(conditions, 2)
    assert "46 skipped" in told(conditions)["not_sent"]
    assert "at least 84%" in told(conditions)["not_sent"]


def test_each_kind_has_a_condition_of_its_own() -> None:
    shortfalls, conditions = Shortfalls(), Conditions()
    shortfalls.take(windows(unread=1, discarded=2, dscp_changed_backward=3, dscp_changed_forward=1))
    shortfalls.tell(conditions, 1)
    assert set(told(conditions)) == {"unread", "discarded", "dscp_changed"}
    assert told(conditions)["dscp_changed"].startswith("4 probes or answers")


def test_what_health_reports_tell_is_the_sum_of_all_windows() -> None:
    shortfalls = Shortfalls()
    for _ in range(3):
        shortfalls.take(windows(**dict.fromkeys(COUNTED, 2)))
    assert shortfalls.totals == dict.fromkeys(COUNTED, 6)
