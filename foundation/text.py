"""Sentences that exist in both languages of our users.

Every message a person may read is written once, in both languages, where it is raised: so no
translation can be missing. (The terminal UI has its own catalogues: its words are labels.)
"""

import os
import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

# What is no writing: controls (C0, DEL, C1: a terminal obeys them), what turns the direction of a
# line (UAX #9), separators of lines, invisible tags and marks, halves of surrogate pairs.
_NO_WRITING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
MAX_SENTENCE = 4000  # characters of a sentence that somebody else wrote

Language = Literal["en", "zh"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence in English and in Chinese."""

    en: Annotated[str, msgspec.Meta(max_length=MAX_SENTENCE)]
    zh: Annotated[str, msgspec.Meta(max_length=MAX_SENTENCE)]

    def pick(self, language: Language) -> str:
        """Return the sentence in `language` as it may be shown, also where it repeats others."""
        return plain(self.zh if language == "zh" else self.en, lines=True)


def plain(text: str, *, lines: bool = False) -> str:
    """Return what somebody else wrote as it may be shown anywhere: on a terminal, in a log, a page.

    A control, and whatever changes how its neighbours are shown, becomes U+FFFD; with `lines` the
    ends of lines and tabs stay. Everything that is shown and was not written here goes through it.
    """
    if lines:
        return _NO_WRITING.sub(lambda found: found[0] if found[0] in "\n\t" else "\ufffd", text)
    return _NO_WRITING.sub("\ufffd", text)


def plain_text(text: Text) -> Text:
    """Return a sentence of somebody else as it may be shown; see `plain`."""
    return Text(plain(text.en), plain(text.zh))


def excerpt(text: str, most: int = 200) -> str:
    """Return what somebody else wrote for a sentence that repeats it: plain, and not for ever."""
    said = plain(text[: most + 1])
    return said if len(said) <= most else f"{said[:most]}…"


def is_plain(text: str) -> bool:
    """Whether a text is shown as it is written; see `plain`."""
    return _NO_WRITING.search(text) is None


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its English noun: ``1 site``, ``2 sites``. Chinese needs no such."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[Text], conjunction: Literal["and", "or"]) -> Text:
    """Return words as a sentence lists them: ``a, b or c``."""
    *others, last = words
    if not others:
        return last
    en = f"{', '.join(word.en for word in others)} {conjunction} {last.en}"
    zh_conjunction = "和" if conjunction == "and" else "或"
    zh = f"{'、'.join(word.zh for word in others)} {zh_conjunction} {last.zh}"
    return Text(en, zh.replace("） ", "）"))


def language_of_environment() -> Language:
    """Return the user's language: ISOCHRONE_LANG, else the locale variables, else English."""
    for name in ("ISOCHRONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
