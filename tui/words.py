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


# What English says of one thing; Chinese says it as of many.
_OF_ONE = {
    "{n} chunks in the spool": "{n} chunk in the spool",
    "{n} windows dropped": "{n} window dropped",
    "{n} campaigns running": "{n} campaign running",
    "{n} of {m} verdicts: evidence too old": "{n} of {m} verdict: evidence too old",
    "{n} warnings": "{n} warning",
    "{n} demands": "{n} demand",
    "of {total} pairs ({share} pass)": "of {total} pair ({share} pass)",
    "{n} probes": "{n} probe",
    "{n} more paths run only over IPv4 and are not judged.": (
        "{n} more path runs over IPv4 alone and is not judged."
    ),
    "{n} of {total} paths": "{n} of {total} path",
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

    def counted(self, number: int | None, msgid: str, **values: object) -> str:
        """Return the text for `msgid`, which is said of many, also where it is one."""
        if number == 1 and self.language == "en":
            return _OF_ONE[msgid].format(**values)
        return self(msgid, **values)

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
