"""What a reflector's responders have in common, and the circumstances of what they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from foundation.clock import Clock


@dataclass(slots=True, kw_only=True)
class Context:
    """What all responders of one reflector share.

    `own_clock_bound_ns` gives the bound on this clock's error, NaN while it is not synchronised;
    `counts` are those of `ReflectorCounters`; all timestamps are moved by `shift_ns`.
    """

    clock: Clock
    own_clock_bound_ns: Callable[[], float]
    counts: dict[str, int]
    shift_ns: int = 0

    def wall_ns(self) -> int:
        """Return the time as timestamps tell it."""
        return self.clock.wall_ns() + self.shift_ns


class Estimates(NamedTuple):
    """Error Estimates of replies: `exact` is the clock's alone, for senders that hear by Follow-Up
    Telemetry when a reply left; `early` contains the lag of T3 too, for the others."""

    exact: int
    early: int


@dataclass(slots=True)
class Moment:
    """When and where requests are answered: `local` numbers the socket, `wall_ns` gives T3,
    `now_ns` is monotonic. A listener has one, and sets it again for whatever has arrived."""

    local: int
    wall_ns: Callable[[], int]
    now_ns: int
    estimates: Estimates


@dataclass(slots=True)
class Arrival:
    """How one request arrived: T2, its TTL (0 unknown), its DSCP and ECN (-1 unknown)."""

    receive_wall_ns: int
    ttl: int
    tos: int
