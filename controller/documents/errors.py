"""The one shape of every error."""

from __future__ import annotations

from typing import Any

import msgspec

from foundation.text import Text


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in both languages, and what it is about."""

    code: str
    message: Text
    fields: dict[str, Any] = {}


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The one shape of every error."""

    error: ErrorBody
