"""How things are shown now: language, colours and time zone, handed to every panel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text

from tui.palette import DARK, Palette
from tui.rows import Spans
from tui.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Language, palette and zone of one moment."""

    words: Words
    palette: Palette = DARK
    zone: dt.tzinfo | None = None

    def text(self, spans: Spans) -> Text:
        """Return one line with its colours."""
        line = Text(no_wrap=False, end="")
        for words, tone in spans:
            line.append(words, style=self.palette.style(tone))
        return line

    def lines(self, lines: Iterable[Spans]) -> Text:
        """Return several lines with their colours."""
        return Text("\n").join([self.text(line) for line in lines])
