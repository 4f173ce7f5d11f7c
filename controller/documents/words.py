"""The few words that many documents share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

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
