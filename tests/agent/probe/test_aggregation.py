"""From the outcomes of all probes to the figures, accounts and explanations of each target."""

from __future__ import annotations

import pytest

from agent.probe.aggregation import check_pace
from agent.probe.result import TargetResult


def paced(late: dict[int, int], late_moments: int) -> list[TargetResult]:
    results = [TargetResult(target=str(n), protocol="icmp", asked=20, sent=20) for n in range(2)]
    check_pace(results, late, interval_ms=10.0, late_moments=late_moments)
    return results


def test_one_standstill_is_no_rate_that_cannot_be_kept() -> None:
    for late, moments in (({0: 200, 1: 200}, 1), ({0: 1, 1: 1}, 9), ({0: 0, 1: 0}, 0)):
        results = paced(late, moments)
        assert not any(result.slow or result.remarks for result in results)
    assert paced({0: 200, 1: 200}, 1)[0].pace.kept_ratio == pytest.approx(20 / 220)
    slow = paced({0: 10, 1: 0}, 9)
    assert [result.slow for result in slow] == [True, False]
    assert (
        "requested 200 probes per second; at least 80% was achieved" in slow[0].remarks[0].text.en
    )


def test_targets_that_were_never_tried_are_no_part_of_the_rate() -> None:
    results = paced({1: 20}, 9)
    assert "requested 100 probes per second; at least 50%" in results[1].remarks[0].text.en
    assert [len(result.remarks) for result in results] == [0, 1]
