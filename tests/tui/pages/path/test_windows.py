"""Windows of a path: curves with gaps, flows beside each other, and what a row says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tui import documents as doc
from tui.pages.path import windows
from tui.pages.path.windows import WindowRow
from tui.words import Words

S = 1_000_000_000
EN = Words("en")


def window(second: int, **more: Any) -> doc.Window:
    return doc.Window(start_ns=second * S, duration_ns=10 * S, **more)


def cell(shown: doc.Window, column: str) -> str:
    return windows.window_cell(WindowRow(shown), column, EN, dt.UTC)[0][0]


def test_a_curve_is_broken_where_a_window_is_absent_or_has_no_value() -> None:
    values = {0: 0.01, 10: 0.02, 30: 0.03, 40: None, 50: float("nan"), 60: 0.06}
    found = windows.loss_line([window(at, loss_ratio=loss) for at, loss in values.items()])
    assert found.segments == (((5.0, 15.0), (1.0, 2.0)), ((35.0,), (3.0,)), ((65.0,), (6.0,)))


def test_a_window_that_is_a_little_late_breaks_nothing() -> None:
    found = windows.loss_line([window(0, loss_ratio=0.0), window(14, loss_ratio=0.0)])
    assert len(found.segments) == 1


def test_delays_are_drawn_in_milliseconds() -> None:
    curves = {line.name: line for line in windows.delay_lines([window(0, rtt_p50_ns=2.5e6)])}
    assert curves["rtt_p50_ns"].segments == (((5.0,), (2.5,)),)
    assert curves["forward_p50_ns"].segments == ()


def test_without_trusted_clocks_only_what_stands_above_the_least_is_a_delay() -> None:
    shown = window(
        0,
        rtt_p50_ns=2e6,
        forward_p50_ns=9e9,
        relative_forward_p50_ns=3e5,
        one_way="relative",
    )
    assert windows.one_way_ns(shown, "forward_p50_ns") == 3e5
    assert windows.one_way_ns(shown, "rtt_p50_ns") == 2e6
    assert windows.is_relative([window(0), shown])
    assert not windows.is_relative([window(0)])
    assert cell(shown, "forward50").startswith("△")
    assert not cell(shown, "rtt50").startswith("△")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"sent": 10, "received": 8, "lost_forward": 1, "lost_unknown": 1}, "2"),
        ({"sent": 10, "received": 10, "lost_forward": 0}, "0"),
        ({"sent": 10, "received": 10}, "–"),
        ({"lost_forward": 3}, "–"),
    ],
)
def test_lost_is_of_all_directions_and_absent_is_not_zero(
    counts: dict[str, int], said: str
) -> None:
    assert cell(window(0, **counts), "lost") == said


def test_a_row_is_known_by_protocol_and_start() -> None:
    assert WindowRow(window(7, protocol="udp")).key == f"udp {7 * S}"
    assert cell(window(3661), "start") == "01:01:01"


def flows(*medians: float | None, lost: int = 0) -> doc.Window:
    figures = [
        doc.FlowFigures(flow=number, sent=10, lost=lost if number == 1 else 0, rtt_p50_ns=median)
        for number, median in enumerate(medians)
    ]
    return window(0, flows=figures)


def strip(*shown: doc.Window) -> str:
    return "".join(text for text, _ in windows.flow_strip(shown, EN)[0])


def test_a_slower_flow_stands_higher_and_one_that_lost_is_marked() -> None:
    shown = strip(flows(1e6, 2e6, 1e6, lost=2))
    assert "▁ █!▁ " in shown
    assert shown.endswith("2 lost")


def test_flows_within_noise_are_equal_and_a_silent_one_is_crossed() -> None:
    assert "▁ ▁ " in strip(flows(1e6, 1.04e6))
    assert "✗" in strip(flows(1e6, None))
    assert strip(window(0)) == "No per-flow figures."
