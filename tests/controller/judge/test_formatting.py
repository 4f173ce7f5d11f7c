"""Delays and ratios as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.judge.formatting import (
    delay,
    delay_range,
    limit_delay,
    percent,
    points,
    ratio,
    ratio_range,
)


@pytest.mark.parametrize(
    ("value_ns", "en", "zh"),
    [
        (0, "0 µs", "0 微秒"),
        (1_400, "1.4 µs", "1.4 微秒"),
        (14_000, "14 µs", "14 微秒"),
        (820_000, "0.820 ms", "0.820 毫秒"),
        (205_790_000, "205.79 ms", "205.79 毫秒"),
        (-820_000, "-0.820 ms", "-0.820 毫秒"),
    ],
)
def test_a_delay_has_few_digits_in_the_unit_of_its_size(value_ns: float, en: str, zh: str) -> None:
    assert (delay(value_ns), delay(value_ns, "zh")) == (en, zh)


@given(st.floats(1, 1e12))
def test_a_delay_is_written_to_within_half_of_its_last_digit(value_ns: float) -> None:
    figure, unit = delay(value_ns).split()
    read_ns = float(figure) * {"µs": 1e3, "ms": 1e6}[unit]
    digits = len(figure.partition(".")[2])
    assert abs(read_ns - value_ns) <= 0.5001 * 10**-digits * {"µs": 1e3, "ms": 1e6}[unit]


def test_a_limit_is_written_as_people_say_it() -> None:
    assert [limit_delay(v) for v in (1e6, 205.79e6, 150e3, 50e3)] == [
        "1 ms",
        "205.79 ms",
        "0.15 ms",
        "50 µs",
    ]


@pytest.mark.parametrize(
    ("low_ns", "high_ns", "en", "zh"),
    [
        (820_000, 860_000, "0.820–0.860 ms", "0.820–0.860 毫秒"),
        (4_000_000, 4_001_000, "4.00 ms", "4.00 毫秒"),
        (820_000, math.inf, "at least 0.820 ms", "不低于 0.820 毫秒"),
        (-math.inf, 820_000, "at most 0.820 ms", "不高于 0.820 毫秒"),
        (math.inf, math.inf, "infinite (lost)", "无穷大（丢失）"),
        (math.nan, math.nan, "unknown", "未知"),
        (-math.inf, math.inf, "unknown", "未知"),
    ],
)
def test_an_unknown_end_of_an_interval_is_said(
    low_ns: float, high_ns: float, en: str, zh: str
) -> None:
    assert (delay_range(low_ns, high_ns), delay_range(low_ns, high_ns, "zh")) == (en, zh)


def test_ratios_are_percentages_with_about_three_figures() -> None:
    assert [points(v) for v in (0, 0.0000077, 0.0077, 0.0376, 0.5, 1)] == [
        "0",
        "0.001",
        "0.77",
        "3.76",
        "50",
        "100",
    ]
    assert (ratio(0.0077), ratio(0.0077, "zh")) == ("0.77 %", "0.77%")
    assert (percent("5"), percent("5", "zh")) == ("5 %", "5%")


def test_ranges_of_ratios_are_as_short_as_they_can_be() -> None:
    assert ratio_range(0.0061, 0.0096) == "0.61–0.96 %"
    assert ratio_range(0.0061, 0.0061) == "0.61 %"
    assert ratio_range(0.0061, math.inf, "zh") == "≥ 0.61%"
