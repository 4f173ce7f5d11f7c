"""Sentences that exist in both languages of our users.

Every message a person may read is written once, in both languages, where it is raised: so no
translation can be missing. (The terminal UI has catalogues of its own: its words are labels.)
"""

import os
from typing import Literal

import msgspec

Language = Literal["en", "zh"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence in English and in Chinese."""

    en: str
    zh: str

    def pick(self, language: Language) -> str:
        """Return the sentence in `language`."""
        return self.zh if language == "zh" else self.en


def language_of_environment() -> Language:
    """Return the user's language: ISOCHRONE_LANG, else the locale variables, else English."""
    for name in ("ISOCHRONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
