"""Delay variation above the least delay (ITU-T Y.1540)."""

import numpy as np
import pytest

from controller.judge.evidence import LIMITING_FACTORS, VERDICTS
from controller.judge.judge import judge

MS = 1e6


def delays(rng, least_ms, spread_ms, n=5000):
    return least_ms * MS + rng.exponential(spread_ms * MS, n)


def verdict(found):
    return VERDICTS[found.verdict[0]]


@pytest.mark.parametrize(("limit_ms", "expected"), [(0.4, "pass"), (0.2, "fail")])
def test_round_trip_variation_is_the_quantile_above_the_least(evidence, rules, limit_ms, expected):
    rtt = delays(np.random.default_rng(1), 4.0, 0.1)
    asked = rules(kind="pdv", direction="round_trip", limit=limit_ms * MS)
    found = judge(evidence([rtt]), asked)
    true = np.quantile(rtt, 0.95, method="inverted_cdf") - rtt.min()
    assert verdict(found) == expected
    assert found.low[0] <= true <= found.high[0]
    assert found.measured[0] == pytest.approx(true, abs=0.05 * MS)


def test_constant_clock_error_cancels_and_its_drift_is_allowed_for(evidence, rules):
    rng = np.random.default_rng(2)
    forward = delays(rng, 2.0, 0.05)
    rtt = forward + delays(rng, 2.0, 0.05)
    asked = rules(kind="pdv", direction="one_way", limit=0.3 * MS)
    for offset in (0.0, 0.01 * MS):
        found = judge(evidence([rtt], [forward], bound=0.01 * MS, offset=offset), asked)
        assert verdict(found) == "pass"
        assert found.high[0] - found.low[0] > 0.04 * MS


def test_one_way_without_clocks_rests_on_physics_alone(evidence, rules):
    rtt = delays(np.random.default_rng(3), 4.0, 0.05)
    asked = rules(kind="pdv", direction="one_way", limit=0.3 * MS)
    near = judge(evidence([rtt], floor=1.0 * MS), asked)
    assert verdict(near) == "undecided"
    assert LIMITING_FACTORS[near.limiting_factor[0]] == "clock"
    assert np.isnan(near.measured[0])
    direct = judge(evidence([rtt], floor=1.99 * MS), asked)
    assert verdict(direct) == "pass"


def test_lost_probes_have_no_variation(evidence, rules):
    rtt = delays(np.random.default_rng(4), 4.0, 0.05)
    asked = rules(kind="pdv", direction="round_trip", limit=0.4 * MS)
    assert verdict(judge(evidence([rtt], lost=2000), asked)) == "pass"
    nothing = judge(evidence([[]], lost=100), asked)
    assert verdict(nothing) == "no_data"


def test_wrong_verdicts_at_the_limit_stay_rare(evidence, rules):
    rng = np.random.default_rng(6)
    rows = [np.append(delays(rng, 4.0, 0.1, 500), 4.0 * MS) for _ in range(400)]
    asked = rules(400, kind="pdv", direction="round_trip", limit=-np.log(0.05) * 0.1 * MS)
    found = judge(evidence(rows), asked)
    decided = np.isin(found.verdict, [VERDICTS.index("pass"), VERDICTS.index("fail")])
    assert np.mean(decided) <= 0.05
