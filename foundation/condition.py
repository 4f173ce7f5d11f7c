"""Something about an agent that a person should know, told by code."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from foundation.text import Text

Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something about an agent that a person should know: a refused stream, a full disk.

    Programs read `code` and what it is about, where it is about one such: the number of a stream
    (a text, since readers of JSON round), an address. `text` is for people, and nobody reads
    anything out of it.
    """

    code: Word
    severity: Literal["info", "warning", "error"]
    text: Text
    stream_id: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    address: Annotated[str, msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET
