"""Lines with their colours, in the palette of the moment."""

from tui.look import Look
from tui.palette import DARK, LIGHT
from tui.words import Words


def test_every_span_has_the_colour_of_its_tone() -> None:
    for palette in (DARK, LIGHT):
        line = Look(words=Words(), palette=palette).text((("✓ ", "good"), ("5 ms", "dim")))
        assert line.plain == "✓ 5 ms"
        assert [str(span.style) for span in line.spans] == [
            palette.text[t] for t in ("good", "dim")
        ]


def test_lines_are_joined_and_none_is_lost() -> None:
    look = Look(words=Words())
    assert look.lines([(("a", "plain"),), (("", "plain"),), (("b", "bad"),)]).plain == "a\n\nb"
    assert look.lines([]).plain == ""
