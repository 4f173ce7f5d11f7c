"""A trial summed up: what breaks the promise, and that chance alone does not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from controller.judge.evidence import FAIL, PASS, UNDECIDED
from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.intervals import Interval
from lab.trial.score import Result, Trial
from lab.trial.summary import ERROR_RATE, FALSE_ALARM, Coverage, run_trial, summarise
from lab.trial.table import document
from tests.lab.trial.named import family


def result(verdict, truth_over_limit, **changes):
    case = draw_cases([family("tight_clocks")], 1, 1)[0]
    limit = case.truth / truth_over_limit
    known = {"needless": False, "low": 0.0, "high": 1.0}
    case = replace(case, limit=limit)
    right = case.true_verdict
    return Result(
        case=case,
        verdict=verdict,
        wrong_pass=verdict == PASS and right != "pass",
        wrong_fail=verdict == FAIL and right != "fail",
        **{**known, **changes},
    )


def score(results, intervals=()):
    return summarise(FAMILIES, Trial(list(results), list(intervals)), 1)


def test_wrong_verdicts_break_the_promise():
    wrong = [result(PASS, 2.0)] * 4 + [result(PASS, 0.5)] * 36
    assert score(wrong[4:]).broken() == []
    found = score(wrong)
    assert (found.total("wrong_pass"), found.total("wrong_fail")) == (4, 0)
    assert "total" in found.broken()


def test_needless_indecision_breaks_the_promise():
    assert score([result(UNDECIDED, 0.5)] * 20).broken() == []
    assert "tight_clocks" in score([result(UNDECIDED, 0.5, needless=True)] * 20).broken()


def test_intervals_that_miss_too_often_break_the_promise():
    case = result(PASS, 0.5).case
    hit, miss = (Interval(case, "loss_one_way", 0.0, 1.0, truth) for truth in (0.5, 2.0))
    few = score([result(PASS, 0.5)] * 20, [hit] * 97 + [miss] * 3)
    assert few.broken() == []
    assert few.coverage["loss_one_way"].ratio == 0.97
    assert "loss_one_way" in score([result(PASS, 0.5)] * 20, [hit] * 80 + [miss] * 20).broken()


RIGHT = result(PASS, 0.5)


@given(st.integers(1, 3000))
@settings(max_examples=15, deadline=None)
def test_a_judge_that_errs_as_often_as_stated_is_hardly_ever_accused(count):
    found = summarise(FAMILIES, Trial([RIGHT] * count, []), 1).families[0]
    assert binom.sf(found.allowed_wrong, count, ERROR_RATE) <= FALSE_ALARM
    assert binom.sf(found.allowed_wrong - 1, count, ERROR_RATE) > FALSE_ALARM


def test_what_lies_beyond_the_promise_is_counted_apart():
    beyond = next(each for each in FAMILIES if not each.promised)
    case = replace(result(PASS, 2.0).case, family=beyond.name)
    wrong = replace(result(PASS, 2.0), case=case)
    found = score([wrong] * 50 + [result(PASS, 0.5)] * 20, [Interval(case, "ratio", 0, 1, 2)] * 50)
    assert (found.total("cases"), found.total("wrong_pass")) == (20, 0)
    assert found.broken() == []
    assert "ratio" not in found.coverage


def test_a_width_is_the_median_over_what_has_one():
    case = result(PASS, 0.5).case
    ends = [(0.5, 1.5), (0.0, 2.0), (0.5, float("inf")), (0.0, 8.0)]
    found = score([result(PASS, 0.5)], [Interval(case, "ratio", *each, 1.0) for each in ends])
    assert found.coverage["ratio"].width_ratio == 2.0
    assert Coverage(intervals=4, held=3, needed=3, width_ratio=None).ratio == 0.75


@pytest.mark.parametrize(("verdict", "holds"), [(UNDECIDED, True), (PASS, False), (FAIL, True)])
def test_the_compliance_rate_holds_unless_verdicts_are_wrong(verdict, holds):
    found = score([result(verdict, 2.0)] * 20).coverage["compliance"]
    assert (found.held == found.intervals) is holds


def test_the_same_seed_gives_the_same_trial_and_another_does_not():
    first, again, other = (document(run_trial(12, seed), seed) for seed in (5, 5, 6))
    assert first == again
    assert first["coverage_detail"] != other["coverage_detail"]
