"""What the controller refuses, whoever asks. Every refusal has a code.

RefusedError            `code` names it for programs; `retry_after_s`: worth trying again then
├── MalformedError      what was handed in is none of what it should be
├── UnknownError        what it is about is not known here
├── TooSlowError        it did not come in time
├── ConflictError       it does not fit what is known now
├── TooLargeError       it is larger than may be
├── ForeignError        it is somebody else's
└── BusyError           there is too much to do just now

`controller.api.error_answers` says them over HTTP.
"""

from __future__ import annotations

from typing import Any

from foundation.errors import IsochroneError
from foundation.text import Text


class RefusedError(IsochroneError):
    """Something was asked that is not done."""

    def __init__(
        self, code: str, text: Text, *, retry_after_s: int | None = None, **fields: Any
    ) -> None:
        super().__init__(text.en, text.zh, **fields)
        self.code = code
        self.retry_after_s = retry_after_s


class MalformedError(RefusedError):
    """What was handed in is none of what it should be."""


class UnknownError(RefusedError):
    """What it is about is not known here."""


class TooSlowError(RefusedError):
    """It did not come in time."""


class ConflictError(RefusedError):
    """It does not fit what is known now."""


class TooLargeError(RefusedError):
    """It is larger than may be."""


class ForeignError(RefusedError):
    """It is somebody else's."""


class BusyError(RefusedError):
    """There is too much to do just now."""
