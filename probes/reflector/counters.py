"""What a reflector counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorCounters:
    """Packets since the start.

    received = reflected + refused + malformed + growing + limited_by_source + limited + forged
    + replayed + unsent. `overflowed` never got that far: the receive buffer was full. `refused`:
    no peer of ours; `growing`: the reply would be longer than the request, and everybody may ask;
    `limited_by_source`, `limited`: over the rate of one source, of all; `forged`: no HMAC, or
    a wrong one; `unsent`: the system did not take the reply. `sessions`: remembered now.
    """

    received: int = 0
    reflected: int = 0
    refused: int = 0
    malformed: int = 0
    growing: int = 0
    limited_by_source: int = 0
    limited: int = 0
    forged: int = 0
    replayed: int = 0
    unsent: int = 0
    overflowed: int = 0
    sessions: int = 0
