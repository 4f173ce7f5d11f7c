"""Cases become probes, windows and evidence, by the code that agents and controllers run."""

import numpy as np
import pytest

from lab.trial.case import truth_of
from lab.trial.cases import draw_cases
from lab.trial.simulate import evidence_of_cases, simulate
from tests.lab.trial.named import family


def test_a_case_does_not_depend_on_those_beside_it():
    cases = draw_cases([family("tight_clocks")], 6, 5)
    all_of_them, first = (
        evidence_of_cases(cases, simulate(cases, 5)),
        evidence_of_cases(cases[:1], simulate(cases[:1], 5)),
    )
    assert all_of_them.mean_ns["rtt"][0] == first.mean_ns["rtt"][0]


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
