"""Something about an agent that a person should know, told by code."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foundation.text import Text

Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something about an agent that a person should know: a refused stream, a full disk."""

    code: Word
    severity: Literal["info", "warning", "error"]
    text: Text
