"""How the clocks of a case behave."""

import numpy as np

from lab.trial.cases import draw_cases
from lab.trial.clocks import Slack, lying_plainly, lying_subtly, refuted
from tests.lab.trial.named import SINGLE


def test_honest_bounds_hold_for_every_probe():
    honest = [f for f in SINGLE if not f.mesh and "lying_plainly" not in f.clocks]
    for case in draw_cases(honest, 200, 2):
        duration_s = case.windows * 10 / len(case.clocks)
        for clocks in case.clocks:
            offset, bound = clocks.at(np.linspace(0, duration_s, 50))
            assert not (np.abs(offset) > bound).any()  # an absent bound claims nothing


def test_plain_lies_can_be_refuted_and_subtle_ones_cannot():
    rng = np.random.default_rng(3)
    for _ in range(100):
        near, far = Slack(5e4, 5e4), Slack(3e6, 3e6)
        (plain,), (subtle,) = lying_plainly(rng, near), lying_subtly(rng, far)
        assert refuted(plain.offset_ns, plain.bound_ns, near)
        assert not refuted(subtle.offset_ns, subtle.bound_ns, far)
        assert abs(subtle.offset_ns) > subtle.bound_ns
