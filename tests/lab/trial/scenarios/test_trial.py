"""Trials from end to end: what is drawn, simulated, gathered, judged and scored."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from controller.judge.comparing import compare
from controller.judge.evidence import UNDECIDED
from controller.judge.judge import judge
from isochrone import front_door
from lab.trial import score as scoring
from lab.trial.case import truth_of
from lab.trial.cases import draw_cases
from lab.trial.families import FAMILIES
from lab.trial.run import run_trial
from lab.trial.score import try_cases
from lab.trial.simulate import evidence_of_cases, simulate
from lab.trial.summary import summarise
from lab.trial.table import document

WAYS = ("one_way", "round_trip")
PROMISED = [family for family in FAMILIES if family.promised]
SINGLE = [family for family in PROMISED if family.pair is None]


INTERVALS = (
    *(f"{kind}_{way}" for kind in ("quantile", "mean", "loss", "pdv") for way in WAYS),
    *("variation", "ratio", "compliance", "improvement_delay", "improvement_loss"),
    *(f"comparison_{what}" for what in ("delay_ratio", "delay_difference")),
    *(f"comparison_{what}" for what in ("loss_ratio", "loss_difference")),
)


def family(name):
    return next(family for family in FAMILIES if family.name == name)


def test_the_same_seed_gives_the_same_trial_and_another_does_not():
    first, again, other = (document(run_trial(12, seed), seed) for seed in (5, 5, 6))
    assert first == again
    assert first["coverage_detail"] != other["coverage_detail"]


def test_cases_have_the_truth_that_was_wished():
    for case in draw_cases(PROMISED, 300, 1):
        asked = family(case.family)
        if asked.pair is not None or asked.kind == "pdv":  # of which the least delay is taken off
            continue
        if not asked.mesh and case.truth < np.inf and case.limit:
            margin = case.truth / case.limit - 1
            assert min(abs(margin - wished) for wished in asked.margins) < 1e-6
        assert case.floor_ns <= min(case.forward_base_ns, case.backward_base_ns)
        assert case.limit_low <= case.limit <= case.limit_high * (1 + 1e-12)


def test_evidence_is_what_was_simulated():
    cases = draw_cases([family("delay_under_loss"), family("honest_clocks")], 40, 4)
    evidence = evidence_of_cases(cases, simulate(cases, 4))
    assert evidence.sent.tolist() == [case.probes for case in cases]
    assert (evidence.counters["received"] + evidence.lost == evidence.sent).all()
    for i, case in enumerate(cases):
        mean = truth_of(case, "delay", "round_trip", "mean")
        assert evidence.mean_ns["rtt"][i] == pytest.approx(mean, rel=0.1)
        assert np.diff(evidence.window_indptr)[i] <= case.windows
        # forward + backward is the round trip, whatever the clocks say
        both = evidence.mean_ns["forward"][i] + evidence.mean_ns["backward"][i]
        assert both == pytest.approx(evidence.mean_ns["rtt"][i], abs=2.0)


def test_trials_are_the_same_however_many_cases_are_simulated_at_once(monkeypatch):
    names = ("tight_clocks", "mesh_with_a_liar", "improvement")
    cases = draw_cases([family(name) for name in names], 6, 6)
    whole = try_cases(cases, 6)
    monkeypatch.setattr("lab.trial.score.AT_ONCE", 2)
    monkeypatch.setattr("lab.trial.pair_score.AT_ONCE", 5)
    aggregates = try_cases(cases, 6)
    assert aggregates.results == whole.results
    assert aggregates.intervals == whole.intervals


def test_a_trial_that_is_ended_early_gives_the_cases_that_were_tried(monkeypatch, capsys):
    cases = draw_cases([family("tight_clocks")], 6, 6)
    whole = try_cases(cases, 6)
    monkeypatch.setattr("lab.trial.score.AT_ONCE", 2)
    tried = scoring._try_paths

    def interrupted(paths, seed, first):
        if first >= 4:
            raise KeyboardInterrupt
        return tried(paths, seed, first)

    monkeypatch.setattr("lab.trial.score._try_paths", interrupted)
    found = try_cases(cases, 6)
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


def test_a_judge_that_never_decides_is_found_out(monkeypatch):
    monkeypatch.setattr("lab.trial.score.judge", lambda *a, **b: silent(judge(*a, **b)))
    found = summarise(FAMILIES, try_cases(draw_cases(SINGLE, 60, 1), 1), 1)
    assert found.total("wrong_pass") + found.total("wrong_fail") == 0
    assert found.total("undecided_needlessly") > 10
    assert len(found.broken()) > 5


def test_a_comparison_that_never_decides_is_found_out(monkeypatch):
    pairs = [f for f in FAMILIES if f.pair is not None and f.pair.kind == "comparison"]
    cases = draw_cases(pairs, 24, 1)

    def undecided(*asked):
        found = compare(*asked)
        return replace(found, verdict=np.full(len(found.verdict), UNDECIDED, np.int8))

    assert not any(r.needless for r in try_cases(cases, 1).results)
    monkeypatch.setattr("lab.trial.pair_score.compare", undecided)
    assert sum(r.needless for r in try_cases(cases, 1).results) > 4


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
def test_a_judge_that_errs_is_found_out(monkeypatch, judging, tried, breaks):
    cases = draw_cases([family(tried)], 80, 1)
    assert summarise(FAMILIES, try_cases(cases, 1), 1).broken() == []
    monkeypatch.setattr("lab.trial.score.judge", judging)
    assert breaks in summarise(FAMILIES, try_cases(cases, 1), 1).broken()


def test_liars_that_only_the_mesh_can_find_would_make_wrong_verdicts(monkeypatch):
    cases = draw_cases([family("mesh_with_a_liar")], 96, 7)
    assert sum(r.wrong for r in try_cases(cases, 7).results) <= 1
    monkeypatch.setattr("lab.trial.score._without_false_clocks", lambda _cases, evidence: evidence)
    assert sum(r.wrong for r in try_cases(cases, 7).results) >= 3


@pytest.mark.parametrize("seed", [1])
def test_the_promise_is_kept(seed, tmp_path):
    file = tmp_path / "truth.json"
    ran = CliRunner().invoke(
        front_door, ["truth", "--cases", "200", "--seed", str(seed), "--json", str(file)]
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(file.read_text())
    assert found["cases"] == 200 == sum(each["cases"] for each in found["families"])
    assert found["wrong_pass"] + found["wrong_fail"] <= 10
    assert found["undecided_needlessly"] == 0
    assert found["undecided"] < 120
    assert set(found["coverage"]) == set(INTERVALS)
    assert min(found["coverage"].values()) >= 0.9  # some kinds have two dozen intervals
    assert found["broken"] == []
    assert "needlessly" in ran.output
