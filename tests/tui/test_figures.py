"""Numbers as people read them."""

import pytest

from tui.figures import joined_ratio


@pytest.mark.parametrize(
    ("value", "said"), [(0.909, "90.9%"), (1.0, "100.0%"), (0.0, "0.0%"), (None, "–")]
)
def test_a_ratio_in_a_sentence_has_nothing_to_break_at(value: float | None, said: str) -> None:
    assert joined_ratio(value) == said
