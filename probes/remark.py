"""A sentence about targets of a measurement, with the code that programs know it by.

In its text `{targets}` stands for the names of whom it is about, `{addresses}` for their addresses:
so what many targets have in common is told once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from foundation.text import Text
from probes.causes import UNKNOWN, Cause


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence: its `code` stays what it is whatever the words become, `cause` says which ICMP
    error it is based on, if any."""

    code: str
    text: Text
    cause: Cause = UNKNOWN

    def about(self, **names: object) -> Remark:
        """Put names into their places in the sentence."""
        return replace(self, text=about(self.text, **names))


def about(text: Text, **names: object) -> Text:
    """Put names into their places in a sentence; a Text in its language."""
    en, zh = text.en, text.zh
    for place, name in names.items():
        both = name if isinstance(name, Text) else Text(str(name), str(name))
        en, zh = en.replace(f"{{{place}}}", both.en), zh.replace(f"{{{place}}}", both.zh)
    return Text(en, zh)
