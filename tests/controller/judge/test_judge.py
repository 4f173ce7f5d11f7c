"""Known verdicts for known situations."""

import numpy as np
import pytest

from controller.judge.evidence import CLOCK_FAULTS, LIMITING_FACTORS, VERDICTS
from controller.judge.explain import explain
from controller.judge.judge import judge

MS = 1e6


def verdict_of(judgements, i=0):
    return VERDICTS[judgements.verdict[i]]


def term_of(judgements, i=0):
    return LIMITING_FACTORS[judgements.limiting_factor[i]]


def spread(low_ms, high_ms, n, seed=1):
    return np.random.default_rng(seed).uniform(low_ms * MS, high_ms * MS, n)


def test_a_round_trip_within_the_limit_passes(evidence, rules):
    found = judge(evidence([spread(0.7, 0.9, 500)]), rules())
    assert verdict_of(found) == "pass"
    assert term_of(found) == "value"
    assert 0.7 * MS < found.low[0] <= found.measured[0] <= found.high[0] <= 0.9 * MS


def test_a_round_trip_beyond_the_limit_fails(evidence, rules):
    found = judge(evidence([spread(1.1, 1.3, 500)]), rules())
    assert verdict_of(found) == "fail"


def test_samples_just_above_an_edge_fail_though_their_bucket_begins_at_it(evidence, rules):
    found = judge(evidence([np.full(500, MS + 1)]), rules())
    assert verdict_of(found) == "fail"


def test_a_delay_exactly_at_the_limit_passes(evidence, rules):
    assert verdict_of(judge(evidence([np.full(500, MS)]), rules())) == "pass"


def test_a_quantile_at_the_limit_is_undecided_for_want_of_samples(evidence, rules):
    samples = np.concatenate([np.full(950, 0.9 * MS), np.full(50, 1.2 * MS)])
    found = judge(evidence([samples]), rules())
    assert verdict_of(found) == "undecided"
    assert term_of(found) == "samples"


def test_nineteen_of_twenty_pings_decide_neither_delay_nor_loss(evidence, rules):
    seen = evidence([np.full(19, 0.5 * MS)], lost=1)
    assert verdict_of(judge(seen, rules())) == "undecided"
    found = judge(seen, rules(kind="loss", limit=0.0376))
    assert verdict_of(found) == "undecided"
    assert found.low[0] < 0.0077 < 0.2 < found.high[0]
    assert found.needed_samples[0] > 0


@pytest.mark.parametrize(("count", "expected"), [(71, "undecided"), (72, "pass")])
def test_p95_needs_seventy_two_probes(evidence, rules, count, expected):
    assert verdict_of(judge(evidence([np.full(count, 0.5 * MS)]), rules())) == expected


def test_an_undecided_quantile_says_how_many_more_probes(evidence, rules):
    found = judge(evidence([np.full(40, 0.5 * MS)]), rules())
    assert found.needed_samples[0] == 32


@pytest.mark.parametrize("direction", ["one_way", "round_trip"])
@pytest.mark.parametrize("statistic", ["p50", "p95", "mean", "max"])
def test_total_loss_is_a_failing_path_and_not_no_data(evidence, rules, direction, statistic):
    seen = evidence([[]], lost=100)
    asked = rules(direction=direction, statistic=statistic)
    found = judge(seen, asked)
    assert verdict_of(found) == "fail"
    assert found.measured[0] == np.inf
    assert "All 100 probes were lost" in explain(seen, asked, found, 0).en


def test_nothing_sent_is_no_data(evidence, rules):
    found = judge(evidence([[]]), rules())
    assert verdict_of(found) == "no_data"
    assert np.isnan(found.measured[0])


def test_a_demand_without_a_stream_is_no_data(evidence, rules):
    assert verdict_of(judge(evidence([[MS]]), rules(row=[-1]))) == "no_data"
    assert verdict_of(judge(evidence([]), rules(row=[-1]))) == "no_data"


@pytest.mark.parametrize("kind", ["improvement", "one_hop", "inventory"])
def test_what_is_not_measured_is_no_data(evidence, rules, kind):
    seen, asked = evidence([[MS] * 100]), rules(kind=kind)
    found = judge(seen, asked)
    assert verdict_of(found) == "no_data"
    assert explain(seen, asked, found, 0).zh


def test_impossible_stands_whatever_is_measured(evidence, rules):
    asked = rules(impossible=True, direction="one_way")
    seen = evidence([np.full(100, 3.4 * MS)], floor=1.5 * MS)
    found = judge(seen, asked)
    assert verdict_of(found) == "impossible"
    assert term_of(found) == "floor"
    assert "1.50 ms" in explain(seen, asked, found, 0).en


def test_a_round_trip_quicker_than_light_refutes_the_positions_and_not_the_measurement(
    evidence, rules
):
    # 0.8 ms each way; the site file places the sites 1 ms of light apart. With that floor
    # RTT - L would be 0.6 ms and "pass" a limit of 0.7 ms that is in truth exceeded.
    there = spread(0.78, 0.8, 500)
    for bound, verdict in ((np.nan, "undecided"), (1e3, "fail")):
        seen = evidence([2 * there], [there], floor=1.0 * MS, bound=bound)
        asked = rules(direction="one_way", limit=0.7 * MS, impossible=True)
        found = judge(seen, asked)
        assert verdict_of(found) == verdict
        assert found.low[0] <= found.high[0]
        assert found.clock_fault[0] == 0
        assert "check the coordinates" in explain(seen, asked, found, 0).en


def test_more_loss_than_the_quantile_allows_fails_a_delay(evidence, rules):
    found = judge(evidence([np.full(800, 0.5 * MS)], lost=200), rules())
    assert verdict_of(found) == "fail"
    assert found.low[0] == np.inf


def test_untrusted_clocks_never_decide_a_one_way_limit(evidence, rules):
    # Readings that say "0.2 ms" and readings that say "40 ms": both must be ignored.
    trips = spread(1.5, 1.7, 500)
    for offset in (-0.6 * MS, 40 * MS):
        seen = evidence([trips], [trips / 2], offset=offset)
        found = judge(seen, rules(direction="one_way"))
        assert verdict_of(found) == "undecided"
        assert term_of(found) == "clock"
        assert np.isnan(found.measured[0])
        assert found.other_reading[0] == pytest.approx(1.69 * MS, rel=0.02)
        assert found.needed_clock_bound_ns[0] == pytest.approx(0.155 * MS, rel=0.1)


def test_a_short_round_trip_passes_one_way_without_clocks(evidence, rules):
    seen = evidence([spread(1.0, 1.15, 500)], floor=0.2 * MS)
    asked = rules(direction="one_way")
    found = judge(seen, asked)
    assert verdict_of(found) == "pass"
    assert found.from_round_trip[0]
    assert found.low[0] == 0.2 * MS
    assert "without clocks" in explain(seen, asked, found, 0).en


def test_a_long_round_trip_accuses_the_pair_but_no_single_direction(evidence, rules):
    trips = spread(40, 41, 500)
    seen, asked = evidence([trips]), rules(direction="one_way", limit=5 * MS)
    found = judge(seen, asked)
    assert verdict_of(found) == "undecided"
    assert found.pair_fails[0]
    assert term_of(found) == "asymmetry"
    assert "at least one direction" in explain(seen, asked, found, 0).en


def test_asymmetric_paths_are_told_apart_by_good_clocks(evidence, rules):
    trips = spread(2.3, 2.4, 500)
    slow_back = evidence([trips], [np.full(500, 0.8 * MS)], bound=20e3)
    slow_there = evidence([trips], [trips - 0.8 * MS], bound=20e3)
    asked = rules(direction="one_way")
    assert verdict_of(judge(slow_back, asked)) == "pass"
    assert verdict_of(judge(slow_there, asked)) == "fail"


def test_a_loose_clock_bound_leaves_undecided_and_says_which_would_do(evidence, rules):
    trips = spread(1.7, 1.72, 500)
    seen = evidence([trips], [trips / 2], bound=0.3 * MS)
    asked = rules(direction="one_way")
    found = judge(seen, asked)
    assert (verdict_of(found), term_of(found)) == ("undecided", "clock")
    assert found.needed_clock_bound_ns[0] == pytest.approx(0.14 * MS, rel=0.05)
    assert "±0.300 ms" in explain(seen, asked, found, 0).en


@pytest.mark.parametrize(
    ("offset", "fault"),
    [
        (-3 * MS, "forward_too_fast"),
        (3 * MS, "backward_too_fast"),
    ],
)
def test_a_contradiction_with_physics_accuses_the_clock(evidence, rules, offset, fault):
    trips = spread(4.0, 4.2, 500)
    seen = evidence([trips], [trips / 2], bound=10e3, offset=offset, floor=0.5 * MS)
    asked = rules(direction="one_way", limit=3 * MS)
    found = judge(seen, asked)
    assert (verdict_of(found), term_of(found)) == ("undecided", "clock")
    assert CLOCK_FAULTS[found.clock_fault[0]] == fault
    assert np.isnan(found.measured[0])
    assert "a clock is wrong" in explain(seen, asked, found, 0).en


def test_a_lying_clock_does_not_undo_what_the_round_trip_proves(evidence, rules):
    trips = spread(0.8, 0.82, 500)
    found = judge(
        evidence([trips], [trips / 2], bound=10e3, offset=3 * MS), rules(direction="one_way")
    )
    assert verdict_of(found) == "pass"
    assert found.clock_fault[0]


def test_negative_delays_within_the_clock_bound_are_kept(evidence, rules):
    trips = spread(0.10, 0.12, 500)
    seen = evidence([trips], [trips / 2], bound=1 * MS, offset=-0.5 * MS)
    found = judge(seen, rules(direction="one_way"))
    assert verdict_of(found) == "pass"
    assert found.measured[0] < 0
    assert found.clock_fault[0] == 0


def test_loss_of_unknown_direction_cannot_fail_one_direction(evidence, rules):
    there = np.full(800, 0.4 * MS)
    seen = evidence([2 * there], [there], lost=200, bound=1e3)
    asked = rules(direction="one_way")
    found = judge(seen, asked)
    assert (verdict_of(found), term_of(found)) == ("undecided", "asymmetry")
    known = evidence([2 * there], [there], lost_forward=200, bound=1e3)
    assert verdict_of(judge(known, asked)) == "fail"


def test_calibration_error_widens_the_interval(evidence, rules):
    samples = np.full(500, 0.99 * MS)
    assert verdict_of(judge(evidence([samples]), rules())) == "pass"
    found = judge(evidence([samples], calibration=20e3), rules())
    assert (verdict_of(found), term_of(found)) == ("undecided", "calibration")


def test_a_ratio_limit_carries_the_uncertainty_of_the_road(evidence, rules):
    seen = evidence([np.full(500, 10 * MS)])
    near = rules(kind="delay_ratio", limit=10.3 * MS, limit_low=9.7 * MS, limit_high=10.9 * MS)
    found = judge(seen, near)
    assert (verdict_of(found), term_of(found)) == ("undecided", "distance")
    far = rules(kind="delay_ratio", limit=15 * MS, limit_low=14 * MS, limit_high=16 * MS)
    assert verdict_of(judge(seen, far)) == "pass"


def test_delay_variation_is_judged_without_clocks(evidence, rules):
    seen = evidence([np.tile([1.0 * MS, 1.05 * MS], 200)])
    asked = rules(kind="variation", direction="one_way", limit=0.1 * MS)
    assert verdict_of(judge(seen, asked)) == "pass"
    asked = rules(kind="variation", direction="one_way", limit=0.02 * MS)
    assert verdict_of(judge(seen, asked)) == "fail"


def test_mean_of_a_channel_is_judged_with_an_interval(evidence, rules):
    seen = evidence([spread(200, 205, 600), spread(262, 266, 600)])
    found = judge(seen, rules(2, statistic="mean", limit=205.79 * MS))
    assert [verdict_of(found, i) for i in (0, 1)] == ["pass", "fail"]
    assert found.low[0] < found.measured[0] < found.high[0]
    assert found.measured[0] == pytest.approx(202.5 * MS, rel=0.002)


def test_loss_is_placed_between_the_two_published_figures(evidence, rules):
    seen = evidence([np.full(9923, MS), np.full(9624, MS), np.full(500, MS)], lost=[77, 376, 0])
    found = judge(seen, rules(3, kind="loss", limit=0.0077))
    assert [verdict_of(found, i) for i in range(3)] == ["undecided", "fail", "undecided"]
    assert found.position == pytest.approx([0.0, 1.0, -np.inf])


def test_a_live_loss_verdict_waits_for_the_test_that_may_be_repeated(evidence, rules):
    seen = evidence([np.full(290, MS)], lost=10, windows=1)
    asked = rules(kind="loss", limit=0.01)
    assert verdict_of(judge(seen, asked, looks="once")) == "fail"
    waiting = judge(seen, asked)
    assert verdict_of(waiting) == "undecided"
    assert waiting.low[0] <= 0.01 < waiting.high[0]  # what is undecided crosses the limit
