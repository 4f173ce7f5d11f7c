"""Why a demand was judged as it was, in a sentence of each language."""

import numpy as np
import pytest

from controller.judge.evidence import LIMITING_FACTORS
from controller.judge.explain import explain
from controller.judge.judge import judge

MS = 1e6


def reason_of(known, asked):
    return explain(known, asked, judge(known, asked), 0)


def trips(least_ms=4.0, most_ms=5.0, n=2_000):
    return np.random.default_rng(1).uniform(least_ms * MS, most_ms * MS, n)


def test_every_judgement_has_a_reason_in_both_languages(evidence, rules):
    trips = np.random.default_rng(1).uniform(1.5 * MS, 2.5 * MS, 100)
    seen = evidence([trips, [], trips], [trips / 2, [], trips / 2], lost=[5, 0, 0], bound=1e5)
    for kind, limit in (("delay", MS), ("loss", 0.01), ("variation", MS), ("delay_ratio", MS)):
        for direction in ("one_way", "round_trip"):
            for statistic in ("p50", "p95", "p999", "mean", "max"):
                asked = rules(3, kind=kind, limit=limit, direction=direction, statistic=statistic)
                found = judge(seen, asked)
                for i in range(3):
                    text = explain(seen, asked, found, i)
                    assert text.en.endswith(".")
                    assert text.zh.endswith("。")
                    assert "nan" not in text.en
                    assert "inf " not in text.en


def test_reason_says_above_what(evidence, rules):
    known = evidence([trips()])
    asked = rules(kind="pdv", direction="round_trip", limit=0.4 * MS)
    reason = explain(known, asked, judge(known, asked), 0)
    assert "round-trip delay above its least" in reason.en
    assert "高出最小值" in reason.zh


def test_a_verdict_names_the_interval_and_the_limit(evidence, rules):
    passes = reason_of(evidence([trips()]), rules(limit=6 * MS, statistic="p50"))
    assert passes.en.startswith("median round trip 4.")
    assert passes.en.endswith("ms, within 6 ms.")
    assert passes.zh.endswith("毫秒，在 6 毫秒以内。")
    fails = reason_of(evidence([trips()]), rules(limit=2 * MS, statistic="p50"))
    assert fails.en.endswith("above 2 ms.")
    assert fails.zh.endswith("超过 2 毫秒。")


def test_loss_is_told_with_its_counts(evidence, rules):
    said = reason_of(evidence([trips(n=990)], lost=10), rules(kind="loss", limit=0.1))
    assert said.en.startswith("Loss ")
    assert "(10 of 1,000), within 10 %" in said.en
    assert "（1,000 个中丢失 10 个）" in said.zh


def test_where_nothing_came_back_no_delay_is_spoken_of(evidence, rules):
    asked = rules(limit=MS)
    assert reason_of(evidence([[]], lost=72), asked).en.startswith("All 72 probes were lost")
    assert reason_of(evidence([[]], lost=1), asked).en.startswith("The one probe was lost")


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ({"kind": "inventory"}, "Declared in the site file"),
        ({"kind": "improvement"}, "Needs a sealed baseline"),
        ({"row": [-1]}, "No stream measures this path"),
        ({"limit": np.nan}, "The target gives no limit"),
        ({}, "No probe was sent"),
    ],
)
def test_no_data_says_what_is_missing(evidence, rules, given, begins):
    assert reason_of(evidence([[]]), rules(**given)).en.startswith(begins)


def test_what_no_network_can_keep_is_said_with_the_time_of_light(evidence, rules):
    asked = rules(limit=MS, impossible=True, direction="one_way")
    assert reason_of(evidence([trips(8, 9)], floor=3 * MS), asked).en == (
        "Light in fibre needs 3.00 ms one way; no network can meet 1 ms."
    )


def test_an_undecided_verdict_says_what_would_decide_it(evidence, rules):
    few = reason_of(evidence([trips(4, 6, 30)]), rules(limit=5.5 * MS, statistic="p90"))
    assert "too few probes; about" in few.en
    assert "样本不足" in few.zh
    there = trips(0.8, 0.9)
    loose = evidence([2 * there + MS], [there], bound=5 * MS)
    asked = rules(limit=1.2 * MS, direction="one_way")
    assert LIMITING_FACTORS[judge(loose, asked).limiting_factor[0]] == "clock"
    assert (
        "the clocks are only known to ±5.00 ms; a clock bound below" in reason_of(loose, asked).en
    )
    unknown = evidence([2 * there + MS / 2], [there])
    assert "the clocks are not synchronised" in reason_of(unknown, asked).en


def test_a_round_trip_quicker_than_light_asks_to_check_the_coordinates(evidence, rules):
    said = reason_of(evidence([trips()], floor=4 * MS), rules(limit=6 * MS))
    assert "check the coordinates in the site file" in said.en
    assert "请核对站点文件中的坐标" in said.zh


def test_a_round_trip_too_long_for_both_ways_accuses_one_of_them(evidence, rules):
    asked = rules(limit=1.2 * MS, direction="one_way")
    said = reason_of(evidence([trips(2.6, 2.8)], [trips(1.3, 1.4)]), asked)
    assert "at least one direction exceeds it" in said.en
    assert "无法确定是哪个方向" in said.zh
