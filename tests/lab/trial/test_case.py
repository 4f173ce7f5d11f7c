"""One case of a trial: a path, its clocks, what is demanded of it, and what is true of it."""

import math

import numpy as np
import pytest

from lab.trial.case import Case, Clocks, Loss, truth_of
from lab.trial.delays import Noise


@pytest.mark.parametrize(("ratio", "burst"), [(0.0077, 1.0), (0.05, 5.0), (0.3, 10.0)])
def test_losses_have_their_ratio_and_bursts(ratio, burst):
    lost = Loss(ratio=ratio, burst=burst).sample(np.random.default_rng(5), 2_000_000)
    assert lost.mean() == pytest.approx(ratio, rel=0.05)
    begins = np.count_nonzero(lost[1:] & ~lost[:-1])
    expected = max(burst, 1 / (1 - ratio))
    assert lost.sum() / begins == pytest.approx(expected, rel=0.05)


def test_losses_of_none_and_all():
    rng = np.random.default_rng(6)
    assert not Loss().sample(rng, 10).any()
    assert Loss(ratio=1.0).sample(rng, 10).all()


@pytest.mark.parametrize("ratio", [1e-300, 1e-9, 1 - 1e-9])
def test_losses_that_are_hardly_ever_met_take_no_room(ratio):
    lost = Loss(ratio=ratio).sample(np.random.default_rng(7), 1000)
    assert len(lost) == 1000
    assert lost.mean() == round(ratio)


def path(**changes):
    known = {
        "family": "test",
        "kind": "delay",
        "direction": "one_way",
        "statistic": "p95",
        "limit": 1e6,
        "told_limit": 1e6,
        "limit_low": 1e6,
        "limit_high": 1e6,
        "probes": 10,
        "windows": 1,
        "forward_base_ns": 5e5,
        "backward_base_ns": 7e5,
        "forward_noise": Noise(law="gamma", scale_ns=1e5),
        "backward_noise": Noise(law="gamma", scale_ns=1e5),
    }
    return Case(**{**known, **changes})


def test_lost_probes_are_infinite_delays():
    case = path(loss_forward=Loss(ratio=0.03), loss_backward=Loss(ratio=0.04))
    kept = 0.97
    assert case.truth == pytest.approx(5e5 - 1e5 * math.log(1 - 0.95 / kept))
    assert truth_of(case, "delay", "round_trip", "p95") == math.inf  # 6.9 % are lost
    assert truth_of(case, "loss", "round_trip", "p50") == pytest.approx(1 - 0.97 * 0.96)
    assert truth_of(case, "loss", "one_way", "p50") == pytest.approx(0.03)
    assert truth_of(case, "delay", "round_trip", "mean") == pytest.approx(14e5)


def test_a_truth_at_the_limit_passes():
    case = path(limit=5e5 - 1e5 * math.log(0.05))
    assert case.true_verdict == "pass"
    assert path(limit=case.limit * 0.999).true_verdict == "fail"


def test_clocks_drift_and_their_bounds_grow():
    clocks = Clocks(offset_ns=1e5, skew_ppm=-20, bound_ns=2e5, growth_ppm=20)
    offset, bound = clocks.at(np.array([0.0, 100.0]))
    assert offset.tolist() == [1e5, 1e5 - 2e6]
    assert bound.tolist() == [2e5, 2.2e6]
