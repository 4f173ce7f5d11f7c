"""Whatever is on trial, what it said is held against what is true."""

from dataclasses import replace

import numpy as np
import pytest

from controller.judge.comparing import compare
from controller.judge.evidence import UNDECIDED
from controller.judge.judge import judge
from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.score import Tried, try_cases
from lab.trial.summary import summarise
from tests.lab.trial.named import SINGLE, family


@pytest.mark.parametrize("at_once", [2, 9])
def test_trials_are_the_same_however_many_cases_are_simulated_at_once(at_once):
    names = ("tight_clocks", "mesh_with_a_liar", "improvement")
    cases = draw_cases([family(name) for name in names], 6, 6)
    whole, parts = try_cases(cases, 6), try_cases(cases, 6, at_once=at_once)
    assert parts.results == whole.results
    assert parts.intervals == whole.intervals


def test_a_trial_that_is_ended_early_gives_the_cases_that_were_tried(capsys):
    cases = draw_cases([family("tight_clocks")], 6, 6)
    whole = try_cases(cases, 6)
    judged = [0]

    def interrupted(*evidence, **how):
        judged[0] += 1
        if judged[0] > 4:  # each part asks twice: of its own demands, and of every statistic
            raise KeyboardInterrupt
        return judge(*evidence, **how)

    found = try_cases(cases, 6, Tried(judge=interrupted), at_once=2)
    assert 0 < len(found.results) < len(whole.results)
    assert found.results == whole.results[: len(found.results)]
    assert "Ended early" in capsys.readouterr().err


def silent(found):
    """Return the judgements of a judge that never commits itself."""
    n = len(found.verdict)
    return replace(
        found,
        verdict=np.full(n, UNDECIDED, np.int8),
        low=np.full(n, -np.inf),
        high=np.full(n, np.inf),
    )


def test_a_judge_that_never_decides_is_found_out():
    tried = Tried(judge=lambda *a, **b: silent(judge(*a, **b)))
    found = summarise(FAMILIES, try_cases(draw_cases(SINGLE, 60, 1), 1, tried), 1)
    assert found.total("wrong_pass") + found.total("wrong_fail") == 0
    assert found.total("undecided_needlessly") > 10
    assert len(found.broken()) > 5


def test_a_comparison_that_never_decides_is_found_out():
    pairs = [f for f in FAMILIES if f.pair is not None and f.pair.kind == "comparison"]
    cases = draw_cases(pairs, 24, 1)

    def undecided(*asked):
        found = compare(*asked)
        return replace(found, verdict=np.full(len(found.verdict), UNDECIDED, np.int8))

    assert not any(r.needless for r in try_cases(cases, 1).results)
    tried = Tried(compare=undecided)
    assert sum(r.needless for r in try_cases(cases, 1, tried).results) > 4


def half_sure(evidence, rules, **how):
    return judge(evidence, rules, 0.5, **how)


def trusting(evidence, rules, **how):
    return judge(replace(evidence, clock_bound_ns=np.full(evidence.rows, 1e3)), rules, **how)


def blind_to_loss(evidence, rules, **how):
    none = np.zeros(evidence.rows, np.int64)
    counters = evidence.counters | {"lost_forward": none}
    seen = replace(evidence, lost=none, counters=counters, sent=counters["received"])
    return judge(seen, rules, **how)


@pytest.mark.parametrize(
    ("judging", "tried", "breaks"),
    [
        (half_sure, "means", "mean_round_trip"),
        (trusting, "honest_clocks", "quantile_one_way"),
        (blind_to_loss, "delay_under_loss", "quantile_round_trip"),
    ],
)
def test_a_judge_that_errs_is_found_out(judging, tried, breaks):
    cases = draw_cases([family(tried)], 80, 1)
    assert summarise(FAMILIES, try_cases(cases, 1), 1).broken() == []
    found = summarise(FAMILIES, try_cases(cases, 1, Tried(judge=judging)), 1)
    assert breaks in found.broken()


def test_liars_that_only_the_mesh_can_find_would_make_wrong_verdicts():
    cases = draw_cases([family("mesh_with_a_liar")], 96, 7)
    assert sum(r.wrong for r in try_cases(cases, 7).results) <= 1
    credulous = Tried(distrust=lambda evidence, *_: (evidence, None))
    assert sum(r.wrong for r in try_cases(cases, 7, credulous).results) >= 3
