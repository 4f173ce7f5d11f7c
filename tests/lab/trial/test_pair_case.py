"""Two paths beside each other: what is true of their delays and losses."""

from dataclasses import replace

import numpy as np
import pytest

from lab.trial.case import Case, Loss
from lab.trial.delays import Noise
from lab.trial.pair_case import PairCase
from tests.lab.trial.test_case import path


def pair(own: Case, other: Case, **more: object) -> PairCase:
    known = {
        "family": "t",
        "kind": "comparison",
        "indicator": "delay",
        "limit": 1.0,
        "loss_margin": 0.001,
    }
    return PairCase(**{**known, **more}, own=own, other=other)  # type: ignore[arg-type]


MEAN = path(statistic="mean", windows=24)


def test_only_windows_that_both_have_count() -> None:
    assert pair(MEAN, MEAN).common_windows == 24
    assert pair(replace(MEAN, first_window=20), MEAN).common_windows == 4
    assert pair(replace(MEAN, first_window=24), MEAN).common_windows == 0


def test_a_mean_that_swings_is_that_of_the_windows_both_have() -> None:
    # Over half a turn of the day the noise is above its mean, over the other half below.
    noise = Noise(law="gamma", scale_ns=1e5)
    day = replace(MEAN, swing=0.5, forward_noise=noise, cycle_windows=24)
    first = pair(day, replace(day, windows=12))
    second = pair(day, replace(day, windows=12, first_window=12))
    still = 5e5 + 1e5
    assert first.delay_ns(day) > still > second.delay_ns(day)
    assert first.delay_ns(day) + second.delay_ns(day) == pytest.approx(2 * still)
    sampled = day.swing_of(np.arange(12)).mean() * 1e5 + 5e5
    assert first.delay_ns(day) == pytest.approx(sampled)


def test_the_quantile_of_a_swinging_delay_has_no_known_truth() -> None:
    swinging = replace(MEAN, statistic="p95", swing=0.5)
    with pytest.raises(ValueError, match="not known"):
        pair(swinging, swinging).delay_ns(swinging)


@pytest.mark.parametrize(("ratio", "right"), [(1.0, "pass"), (0.5, "pass"), (1.01, "fail")])
def test_a_ratio_of_exactly_the_limit_passes(ratio: float, right: str) -> None:
    lossy = replace(MEAN, loss_forward=Loss(ratio=0.02))
    own = replace(MEAN, loss_forward=Loss(ratio=0.02 * ratio))
    assert pair(own, lossy, indicator="loss").true_verdict == right


def test_parity_asks_of_the_loss_beside_the_delay() -> None:
    own = replace(MEAN, loss_forward=Loss(ratio=0.002))
    assert pair(own, MEAN, kind="comparison").true_verdict == "pass"
    assert pair(own, MEAN, kind="ipv6_parity").true_verdict == "fail"
    assert pair(own, MEAN, kind="ipv6_parity", loss_margin=0.002).true_verdict == "pass"


def test_where_the_other_loses_nothing_there_is_no_ratio() -> None:
    assert np.isnan(pair(MEAN, MEAN).loss_ratio)
