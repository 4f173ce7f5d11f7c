"""The last step of every line on the screen: signs of one column in every terminal."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.glyphs import narrow


class NarrowLines(LineFilter):
    """Replaces what terminals draw one or two columns wide, whichever widget drew it."""

    def apply(
        self,
        segments: list[Segment],
        background: Color,  # noqa: ARG002 - Textual's own signature
    ) -> list[Segment]:
        """Return the segments with their columns kept."""
        return [
            each if each.control or each.text.isascii() else Segment(narrow(each.text), each.style)
            for each in segments
        ]
