"""What a plot shows of its values."""

from tui.widgets.plot import vertical_range, without_peaks

USUAL = [2.0 + 0.01 * n for n in range(100)]


def test_a_few_peaks_do_not_squeeze_everything_else_flat() -> None:
    values = [*USUAL, 80.0, 60.0]
    assert max(without_peaks(values, [5.0])) < 3.0
    assert vertical_range(without_peaks(values, [5.0]), [5.0])[1] < 6.0


def test_many_large_values_are_no_peaks() -> None:
    values = [*USUAL, *[80.0] * 10]
    assert max(without_peaks(values, [5.0])) == 80.0


def test_peaks_beside_a_limit_of_their_size_are_shown() -> None:
    values = [*USUAL, 11.0, 10.0]
    assert max(without_peaks(values, [5.0])) == 11.0
    assert without_peaks([], [5.0]) == []
    assert without_peaks([-1.0, -2.0], []) == [-2.0, -1.0]
