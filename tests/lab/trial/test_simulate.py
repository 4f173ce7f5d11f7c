"""Cases become probes, windows and evidence, by the code that agents and controllers run."""

from lab.trial.cases import draw_cases
from lab.trial.simulate import evidence_of_cases, simulate
from tests.lab.trial.scenarios.test_trial import family


def test_a_case_does_not_depend_on_those_beside_it():
    cases = draw_cases([family("tight_clocks")], 6, 5)
    all_of_them, first = (
        evidence_of_cases(cases, simulate(cases, 5)),
        evidence_of_cases(cases[:1], simulate(cases[:1], 5)),
    )
    assert all_of_them.mean_ns["rtt"][0] == first.mean_ns["rtt"][0]
