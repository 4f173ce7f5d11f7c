"""Cases judged by the controller's judge, and what it said held against what is true."""

from dataclasses import replace

from controller.judge.evidence import FAIL, PASS, UNDECIDED
from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.score import Interval, Result
from lab.trial.summary import summarise
from tests.lab.trial.scenarios.test_trial import family


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
    from lab.trial.score import Trial

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
