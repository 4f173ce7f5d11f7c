"""Verdicts and states as symbol, word and colour. Colour is never the only sign."""

from __future__ import annotations

from dataclasses import dataclass

from textual.theme import Theme

VERDICTS = ("pass", "fail", "undecided", "impossible", "no_data")
# Badness of a verdict: the worst one stands for a pair, and sorts first.
BADNESS = {"fail": 0, "undecided": 1, "no_data": 2, "impossible": 3, "pass": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """How one verdict or state looks: `tone` names a colour of the palette."""

    symbol: str
    word: str  # msgid
    tone: str


VERDICT_SIGNS = {
    "pass": Sign(symbol="✓", word="pass", tone="good"),
    "fail": Sign(symbol="✗", word="fail", tone="bad"),
    "undecided": Sign(symbol="?", word="undecided", tone="doubt"),
    "impossible": Sign(symbol="⊘", word="impossible", tone="odd"),
    "no_data": Sign(symbol="·", word="no data", tone="dim"),
}
AGENT_SIGNS = {
    "ok": Sign(symbol="●", word="ok", tone="good"),
    "late": Sign(symbol="◐", word="late", tone="doubt"),
    "agent_down": Sign(symbol="✗", word="agent down", tone="bad"),
    "never_seen": Sign(symbol="○", word="never seen", tone="dim"),
    "no_data": Sign(symbol="·", word="no data", tone="bad"),
    "maintenance": Sign(symbol="‖", word="maintenance", tone="dim"),
}
PATH_SIGNS = {
    "ok": Sign(symbol="●", word="ok", tone="good"),
    "failing": Sign(symbol="✗", word="failing", tone="bad"),
    "undecided": Sign(symbol="?", word="undecided", tone="doubt"),
    "late": Sign(symbol="◐", word="late", tone="doubt"),
    "no_data": Sign(symbol="·", word="no data", tone="dim"),
    "agent_down": Sign(symbol="✗", word="agent down", tone="bad"),
    "path_down": Sign(symbol="✗", word="path down", tone="bad"),
    "maintenance": Sign(symbol="‖", word="maintenance", tone="dim"),
    "curtailed": Sign(symbol="∅", word="refused by policy", tone="doubt"),
}


def sign(name: str | None, signs: dict[str, Sign] = VERDICT_SIGNS) -> Sign:
    """Return the sign of `name`; one this version does not know is never green."""
    if name is None:
        return VERDICT_SIGNS["no_data"]
    return signs.get(name) or Sign(symbol="?", word=name, tone="dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours of one theme; each tone as text, and as a cell (text on ground)."""

    text: dict[str, str]
    cell: dict[str, str]

    def style(self, tone: str) -> str:
        """Return the style of text in `tone`."""
        return self.text.get(tone, self.text["plain"])


DARK = Palette(
    text={
        "plain": "#d5dde5",
        "strong": "bold #ffffff",
        "dim": "#7d8b99",
        "head": "bold #8fb8de",
        "accent": "#56b4e9",
        "good": "#4cc38a",
        "bad": "bold #ff6b6b",
        "doubt": "#f0b440",
        "odd": "#c792ea",
        "rtt": "#56b4e9",
        "forward": "#f2c14e",
        "backward": "#d08cf0",
    },
    cell={
        "good": "#bff0d4 on #14402b",
        "bad": "bold #ffffff on #9b2c2c",
        "doubt": "#ffe6ad on #574211",
        "odd": "#ecd9ff on #46305e",
        "dim": "#8796a5 on #1d252e",
    },
)
LIGHT = Palette(
    text={
        "plain": "#1f2a35",
        "strong": "bold #000000",
        "dim": "#6a7785",
        "head": "bold #1d5a8c",
        "accent": "#0b6bb0",
        "good": "#127a45",
        "bad": "bold #c62828",
        "doubt": "#8a5a00",
        "odd": "#7b3fa8",
        "rtt": "#0b6bb0",
        "forward": "#a06a00",
        "backward": "#7b3fa8",
    },
    cell={
        "good": "#0c4a2a on #c4ecd3",
        "bad": "bold #ffffff on #c62828",
        "doubt": "#4a3200 on #ffe2a0",
        "odd": "#3e1a5c on #e6d3f7",
        "dim": "#6a7785 on #e3e8ed",
    },
)

DARK_THEME = Theme(
    name="isochrone-dark",
    dark=True,
    primary="#56b4e9",
    secondary="#7d8b99",
    accent="#f2c14e",
    foreground="#d5dde5",
    background="#0f151b",
    surface="#0f151b",
    panel="#18212a",
    success="#4cc38a",
    warning="#f0b440",
    error="#ff6b6b",
    boost="#1f2b36",
)
LIGHT_THEME = Theme(
    name="isochrone-light",
    dark=False,
    primary="#0b6bb0",
    secondary="#6a7785",
    accent="#a06a00",
    foreground="#1f2a35",
    background="#f8fafb",
    surface="#f8fafb",
    panel="#e9eef2",
    success="#127a45",
    warning="#8a5a00",
    error="#c62828",
    boost="#dde5ec",
)
