"""Numbers as people read them."""

import pytest

from tui.figures import interval, ratio


@pytest.mark.parametrize(
    ("value", "said"), [(0.909, "90.9%"), (1.0, "100.0%"), (0.0, "0.0%"), (None, "–")]
)
def test_a_ratio_has_nothing_to_break_at(value: float | None, said: str) -> None:
    assert ratio(value, 1) == said


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (0.0077, 0.0376, "ratio", "0.77 … 3.76%"),
        (1e6, 2e6, "ns", "1.00 … 2.00 ms"),
        (8e5, 2e6, "ns", "800 µs … 2.00 ms"),
        (None, 0.5, "ratio", "– … 50.0%"),
    ],
)
def test_both_ends_of_an_interval_share_their_unit(
    low: float | None, high: float, unit: str, said: str
) -> None:
    assert interval(low, high, unit) == said
