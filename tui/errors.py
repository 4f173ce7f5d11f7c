"""What can go wrong between this terminal and the controller, said in both languages."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]


class TuiError(Exception):
    """An error that a person can act on, in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh

    def message(self, language: Language) -> str:
        """Return the sentence in `language`."""
        return self.zh if language == "zh" else self.en


class AddressError(TuiError):
    """The controller's address is not one we can use."""


class UnreachableError(TuiError):
    """The controller does not answer."""


class AnswerError(TuiError):
    """The controller answered with an error or with something that is not its API."""
