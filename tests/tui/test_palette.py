"""Verdicts and states as symbol, word and colour."""

import pytest

from tui.palette import AGENT_SIGNS, BADNESS, DARK, LIGHT, PATH_SIGNS, VERDICT_SIGNS, VERDICTS, sign


def test_what_this_version_does_not_know_is_never_green() -> None:
    assert sign("splendid").tone != "good"
    assert sign("splendid").word == "splendid"
    assert sign(None) == VERDICT_SIGNS["no_data"]
    assert sign("late", AGENT_SIGNS) == AGENT_SIGNS["late"]


def test_colour_is_never_the_only_sign_of_a_verdict() -> None:
    symbols = [VERDICT_SIGNS[name].symbol for name in VERDICTS]
    assert len(set(symbols)) == len(VERDICTS) == len(BADNESS)


@pytest.mark.parametrize("signs", [VERDICT_SIGNS, AGENT_SIGNS, PATH_SIGNS])
def test_both_palettes_have_every_tone(signs: dict[str, object]) -> None:
    assert set(DARK.text) == set(LIGHT.text)
    assert set(DARK.cell) == set(LIGHT.cell)
    assert {each.tone for each in signs.values()} <= set(DARK.text)  # type: ignore[attr-defined]


def test_a_tone_without_a_colour_is_plain() -> None:
    assert DARK.style("unheard of") == DARK.text["plain"]
