"""What many documents share: a few words, numbers as they are said, the shape of an error."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec

from foundation.text import Text
from probes.stream import ProtocolName

PathState = Literal[
    "ok",
    "failing",
    "undecided",
    "late",
    "no_data",
    "agent_down",
    "path_down",
    "maintenance",
    "curtailed",
]
EventKindName = Literal[
    "agent", "path", "stream", "verdict", "maintenance", "campaign", "controller"
]
IpVersion = Literal[4, 6]
Protocol = ProtocolName

# Ids are never calculated with. Streams' are texts, as in exports, so that no reader of JSON that
# keeps numbers as float64 can change one; plans are shown as agents get them, with numbers below
# 2^48. Rows of the database are numbered below 2^53 (foundation.number_types).
StreamIdText = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$", description="As in exports.")]


def age_ms(then_ns: int | None, now_ns: int) -> int | None:
    """Return how long ago `then_ns` was, None where it never was; a clock behind gives 0."""
    return None if not then_ns else max(0, now_ns - then_ns) // 1_000_000


def finite(value: float) -> float | None:
    """Return a number of an array as the API says it: None for NaN and infinity."""
    number = float(value)
    return number if math.isfinite(number) else None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in both languages, and what it is about."""

    code: str
    message: Text
    fields: dict[str, Any] = {}


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The one shape of every error."""

    error: ErrorBody
