"""The words of the screens: gettext catalogues read once, switched live."""

from __future__ import annotations

import functools
import importlib.resources
import os

from babel.messages.pofile import read_po

from tui.errors import Language

LANGUAGES: tuple[Language, ...] = ("en", "zh")


@functools.cache
def catalogue(language: Language) -> dict[str, str]:
    """Return msgid -> text of `language`; English is the msgid itself."""
    if language == "en":
        return {}
    with importlib.resources.files("tui.locale").joinpath(f"{language}.po").open("rb") as file:
        return {
            message.id: message.string
            for message in read_po(file, locale=language)
            if message.id and isinstance(message.id, str) and isinstance(message.string, str)
        }


class Words:
    """A translator: ``words("Loss")`` is the text in the language chosen."""

    def __init__(self, language: Language = "en") -> None:
        self.language: Language = language
        self._texts = catalogue(language)

    def __call__(self, msgid: str, **values: object) -> str:
        """Return the text for `msgid`, its {fields} filled with `values`."""
        text = self._texts.get(msgid, msgid)
        return text.format(**values) if values else text

    def other(self) -> Words:
        """Return the translator of the other language."""
        return Words("en" if self.language == "zh" else "zh")


def language_of_environment() -> Language:
    """Return the user's language: ISOCHRONE_LANG, else the locale variables, else English."""
    for name in ("ISOCHRONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
