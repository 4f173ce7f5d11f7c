"""Improvement on a sealed baseline period: paired per path and hour of the week."""

import numpy as np

from controller.judge.evidence import FAIL, PASS
from controller.judge.improvement import (
    Cells,
    hour_of_week,
    loss_improvement,
)


def test_week_begins_on_monday():
    monday = 1_790_553_600_000_000_000  # 2026-09-28 00:00:00 UTC, a Monday
    assert hour_of_week(np.array([monday, monday + 3_600_000_000_000 * 169])).tolist() == [0, 1]


def test_wrong_passes_of_loss_stay_below_five_percent_at_the_limit():
    rng = np.random.default_rng(4)
    units, hours = 500, 24
    unit, hour = np.repeat(np.arange(units), hours), np.tile(np.arange(hours), units)
    n = units * hours
    sides = [
        Cells(
            unit=unit,
            hour=hour,
            delay_ns=np.full(n, 1e6),
            bound_ns=np.zeros(n),
            sent=np.full(n, 1000),
            lost=lost,
            lost_most=lost,
        )
        for lost in (rng.binomial(1000, ratio, n) for ratio in (0.02, 0.01))
    ]
    found = loss_improvement(*sides, units, np.full(units, 0.5))
    assert np.mean(found.verdict == PASS) <= 0.03
    assert np.mean(found.verdict == FAIL) <= 0.03
