"""Shares with open paths counted apart, and verdicts that do not flap."""

import numpy as np
import pytest

from controller.judge.compliance import compliance, goal_verdict, goal_verdicts
from controller.judge.evidence import FAIL, IMPOSSIBLE, NO_DATA, PASS, UNDECIDED
from controller.judge.hysteresis import Settled, settle


def test_open_paths_widen_the_interval_and_leave_the_ratio():
    found = compliance(np.array([PASS] * 17 + [FAIL] + [UNDECIDED, NO_DATA]))
    assert found.ratio == pytest.approx(17 / 18)
    assert (found.low, found.high) == (pytest.approx(0.85), pytest.approx(0.95))
    assert goal_verdicts(found, {"2025": 0.85, "2028": 0.9, "2030": 0.96}) == {
        "2025": "pass",
        "2028": "undecided",
        "2030": "fail",
    }


def test_an_impossible_demand_is_not_kept():
    assert compliance(np.array([PASS, IMPOSSIBLE])).ratio == 0.5


def test_nothing_decided_has_no_ratio():
    assert compliance(np.array([UNDECIDED])).ratio is None
    assert goal_verdict(compliance(np.array([NO_DATA])), 0.85) == "no_data"
    assert goal_verdict(None, 0.85) == "no_data"
    assert compliance(np.zeros(0)).total == 0


def shown(verdicts):
    state = Settled.first(np.array([verdicts[0]]))
    out = [int(state.shown[0])]
    for verdict in verdicts[1:]:
        state = settle(state, np.array([verdict]))
        out.append(int(state.shown[0]))
    return out


def test_a_single_odd_round_changes_nothing():
    assert shown([PASS, FAIL, PASS, PASS]) == [PASS] * 4


def test_a_change_that_stands_is_shown():
    assert shown([PASS, FAIL, FAIL]) == [PASS, PASS, FAIL]


def test_alternating_verdicts_do_not_flap():
    assert shown([PASS, FAIL, PASS, FAIL, PASS]) == [PASS] * 5


def test_the_coming_and_going_of_data_is_shown_at_once():
    assert shown([NO_DATA, PASS, NO_DATA, FAIL]) == [NO_DATA, PASS, NO_DATA, FAIL]
