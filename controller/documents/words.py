"""The few words that many documents share."""

from __future__ import annotations

from typing import Literal

AgentState = Literal["ok", "late", "agent_down", "never_seen"]
PathState = Literal["ok", "failing", "undecided", "late", "no_data", "agent_down"]
IpVersion = Literal[4, 6]
Protocol = Literal["icmp", "udp", "tcp"]
