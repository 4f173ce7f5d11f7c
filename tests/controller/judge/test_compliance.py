"""Shares with open paths counted apart, and what would lift them to a goal."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.judge.compliance import (
    action_of,
    compliance,
    goal_verdict,
    goal_verdicts,
    remediation,
    verdict_of_units,
)
from controller.judge.evidence import FAIL, IMPOSSIBLE, NO_DATA, PASS, UNDECIDED


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


def asked(verdicts, margins, goal, unit=None):
    unit = np.arange(len(verdicts)) if unit is None else np.array(unit)
    units = int(unit.max()) + 1 if len(unit) else 0
    return remediation(np.array(verdicts, np.int8), np.array(margins, float), unit, units, goal)


def test_goal_that_is_reached_needs_nothing():
    found = asked([PASS, PASS, FAIL], [-0.5, -0.5, 1.0], 0.6)
    assert (found.needed, found.chosen.tolist(), found.reachable) == (0, [], True)


def test_paths_nearest_to_their_limit_come_first():
    found = asked([FAIL, FAIL, FAIL, PASS], [2.0, 0.1, 0.5, -1.0], 0.75)
    assert found.needed == 2
    assert found.chosen.tolist() == [1, 2]


def test_unknown_margin_comes_last_and_unmeasured_after_it():
    found = asked([NO_DATA, FAIL, FAIL], [np.nan, np.nan, 3.0], 1.0)
    assert found.chosen.tolist() == [2, 1, 0]


def test_impossible_path_is_never_listed_and_may_put_the_goal_out_of_reach():
    found = asked([IMPOSSIBLE, FAIL, PASS, PASS], [1.0, 1.0, -1.0, -1.0], 0.95)
    assert found.chosen.tolist() == [1]
    assert not found.reachable
    assert found.best == 0.75


def test_pair_with_one_bad_path_is_lifted_before_a_pair_with_two():
    verdicts = [FAIL, FAIL, PASS, FAIL]
    found = asked(verdicts, [0.1, 0.1, -1, 9.0], 0.5, unit=[0, 0, 1, 1])
    assert found.chosen.tolist() == [3]


def test_pair_with_an_impossible_path_is_not_worth_mending():
    found = asked([FAIL, IMPOSSIBLE, FAIL], [0.1, 1.0, 5.0], 0.5, unit=[0, 0, 1])
    assert found.chosen.tolist() == [2]


def test_nothing_asked_needs_nothing():
    found = asked([], [], 0.9)
    assert (found.total, found.needed) == (0, 0)
    assert math.isnan(found.best)


@pytest.mark.parametrize(
    ("verdict", "action"), [(FAIL, "fix"), (UNDECIDED, "measure"), (NO_DATA, "measure")]
)
def test_what_is_not_known_is_measured_before_it_is_fixed(verdict, action):
    assert action_of(verdict) == action


paths = st.lists(
    st.tuples(st.sampled_from([PASS, FAIL, UNDECIDED, IMPOSSIBLE, NO_DATA]), st.integers(0, 3)),
    min_size=1,
    max_size=7,
)


@given(paths, st.floats(0.05, 1.0))
def test_list_lifts_the_rate_to_the_goal_and_no_shorter_one_does(paths, goal):
    verdicts = np.array([verdict for verdict, _ in paths], np.int8)
    _, unit = np.unique([number for _, number in paths], return_inverse=True)
    units = int(unit.max()) + 1
    found = remediation(verdicts, np.zeros(len(paths)), unit, units, goal)

    def rate(fixed):
        after = verdicts.copy()
        after[list(fixed)] = PASS
        return np.mean(verdict_of_units(after, unit, units) == PASS)

    if found.reachable:
        assert rate(found.chosen) >= goal - 1e-9
        mendable = np.flatnonzero((verdicts != PASS) & (verdicts != IMPOSSIBLE))
        shorter = itertools.combinations(mendable, max(0, len(found.chosen) - 1))
        if len(found.chosen):
            assert all(rate(fixed) < goal - 1e-9 for fixed in shorter)
    else:
        mendable = np.flatnonzero(verdicts != IMPOSSIBLE)
        assert rate(mendable) < goal
