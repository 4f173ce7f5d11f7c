"""What the event stream says."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the event stream."""

    type: str
    revision: int | None = None
