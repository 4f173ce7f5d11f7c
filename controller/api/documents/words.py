"""The few words that many documents share."""

from __future__ import annotations

from typing import Literal

AgentState = Literal["ok", "late", "no_data", "agent_down", "never_seen", "maintenance"]
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
Protocol = Literal["icmp", "udp", "tcp"]
