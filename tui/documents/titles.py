"""Texts in both languages."""

from __future__ import annotations

import msgspec

from tui.errors import Language


class Title(msgspec.Struct, frozen=True, kw_only=True):
    """A text in both languages."""

    en: str = ""
    zh: str = ""

    def pick(self, language: Language) -> str:
        """Return the text in `language`, or in the other one if it is empty."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)
