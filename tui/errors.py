"""What can go wrong between this terminal and the controller, said in both languages."""

from __future__ import annotations

from typing import Literal

from tui.plain import plain

Language = Literal["en", "zh"]


class TuiError(Exception):
    """An error that a person can act on, in English and Chinese; the command exits so."""

    exit_code = 1

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(plain(en))
        self.en = plain(en)  # it may repeat what somebody else said
        self.zh = plain(zh)

    def message(self, language: Language) -> str:
        """Return the sentence in `language`."""
        return self.zh if language == "zh" else self.en


class UsageError(TuiError):
    """An argument of the command line is wrong."""

    exit_code = 2


class AddressError(TuiError):
    """A token or an authority cannot be used with the controller's address."""


class UnreachableError(TuiError):
    """The controller does not answer."""


class AnswerError(TuiError):
    """The controller answered with an error or with something that is not its API."""
