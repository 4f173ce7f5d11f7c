"""Every statistic is asked of the judge, and the truth is held against what it said."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.judge.judge import judge
from lab.trial.case import Loss
from lab.trial.delays import Noise
from lab.trial.intervals import Interval, intervals_of, own_rules, true_figure
from lab.trial.simulate import evidence_of_cases, simulate
from tests.lab.trial.test_case import path


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_interval_holds_what_lies_within_it(low: float, truth: float, high: float) -> None:
    held = Interval(path(), "ratio", low, high, truth).holds
    if low <= truth <= high:
        assert held
    elif truth < low * (1 - 1e-6) or truth > high * (1 + 1e-6):
        assert not held


def test_an_infinite_truth_is_held_by_an_open_interval_alone() -> None:
    assert Interval(path(), "ratio", 5.0, math.inf, math.inf).holds
    assert not Interval(path(), "ratio", 5.0, 1e300, math.inf).holds


def test_of_a_plain_path_every_statistic_with_a_known_truth_is_asked() -> None:
    # Of noise on both ways nobody knows the law of its changes, nor where delays linger.
    quiet = path(probes=2000, windows=20, backward_noise=Noise())
    cases = [quiet, replace(quiet, memory=0.5)]
    evidence = evidence_of_cases(cases, simulate(cases, 1))
    found = intervals_of(cases, evidence, judge)
    kinds = [{each.kind for each in found if each.case is case} for case in cases]
    ways = ("one_way", "round_trip")
    usual = {f"{kind}_{way}" for kind in ("quantile", "mean", "loss", "pdv") for way in ways}
    assert kinds[0] >= usual
    assert "variation" in kinds[0]
    assert "variation" not in kinds[1]
    assert "ratio" not in kinds[0] | kinds[1]


def test_a_ratio_is_told_over_the_theoretical_delay_as_surely_as_that_is_known() -> None:
    case = path(
        kind="delay_ratio", probes=2000, windows=20, limit=2e6, limit_low=1.8e6, limit_high=2.2e6
    )
    evidence = evidence_of_cases([case], simulate([case], 1))
    found = [each for each in intervals_of([case], evidence, judge) if each.kind == "ratio"]
    assert len(found) == 4
    for each in found:
        assert each.holds
        assert each.high - each.low > 0.15 * each.truth  # ±10 % of the road


def test_pdv_is_of_the_least_delay_that_occurred_and_unknown_where_a_clock_moved() -> None:
    still = path(kind="pdv", probes=500, windows=5)
    moving = path(kind="pdv", probes=500, windows=5, clocks=(still.clocks[0], still.clocks[0]))
    evidence = evidence_of_cases([still, moving], simulate([still, moving], 1))
    truth = [
        true_figure(c, "pdv", "one_way", "p95", evidence, i) for i, c in enumerate((still, moving))
    ]
    assert 0 < truth[0] < still.truth
    assert truth[0] == pytest.approx(still.truth - still.forward_base_ns, rel=0.05)
    assert math.isnan(truth[1])
    whole = true_figure(moving, "pdv", "round_trip", "p95", evidence, 1)
    assert whole > 0


def test_each_case_has_its_own_demand_on_its_own_row() -> None:
    cases = [path(limit=1e6), path(kind="loss", told_limit=0.01, loss_forward=Loss(ratio=0.02))]
    rules = own_rules(cases)
    assert rules.row.tolist() == [0, 1]
    assert rules.limit.tolist() == [1e6, 0.01]
    assert len(np.unique(rules.kind)) == 2
