"""What the agents view says of clocks."""

import pytest

from tui import documents as doc
from tui.pages.agents.model import clock_lines
from tui.words import Words

OFF = doc.SiteClock(suspected=True, offset_ns=2.1e6, error_ns=3e4, pairs=17, triangles=136)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "✗ Clock suspected: +2.10 ms ± 30.0 µs off, by 17 sites in 136 triangles. "),
        ("zh", "✗ 时钟可疑：据 17 个站点、136 组三角互测，偏差 +2.10 ms ± 30.0 µs。"),
    ],
)
def test_a_suspected_clock_is_said_with_how_much_and_by_how_many(language, said):
    ((text, tone),) = clock_lines(OFF, Words(language))[0]
    assert text.startswith(said)
    assert tone == "bad"


def test_what_nobody_measures_is_not_drawn():
    assert clock_lines(None, Words("en")) == []
    assert clock_lines(doc.SiteClock(), Words("en")) == []
