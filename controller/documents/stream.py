"""What the event stream says."""

from __future__ import annotations

import msgspec


class VerdictsEvent(msgspec.Struct, frozen=True, kw_only=True, tag="verdicts", tag_field="type"):
    """Verdicts were made anew."""

    revision: int
