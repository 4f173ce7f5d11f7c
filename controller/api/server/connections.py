"""Who holds a connection over TCP, and who gives way when there are too many.

A connection is a stranger's until its peer is known: an agent by its certificate, at the end of the
handshake; a person by the first request that is admitted. Each of the three kinds has its own
places, so that a crowd of strangers takes none from agents or people. On the event loop alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from probes.sockets.descriptors import descriptor_limit, descriptors_for_sockets

Kind = Literal["stranger", "agent", "person"]
Reason = Literal["silent", "room", "share", "descriptors"]
KINDS: tuple[Kind, ...] = ("stranger", "agent", "person")
WORDS: dict[Reason, str] = {
    "silent": "asked for nothing",
    "room": "made room for others",
    "share": "were beyond the share of their credential",
    "descriptors": "found no descriptor left",
}

GRACE_S = 0.5  # that a stranger has at least, whoever else comes: a handshake takes less
MAX_STRANGERS = 256
MAX_PEOPLE = 1024
MAX_OF_ONE = 32  # agent or token; an agent needs three, a terminal two
TOLD_EVERY_S = 60.0

logger = logging.getLogger("isochrone.controller")


@dataclass(slots=True, eq=False)
class Connection:
    """One accepted connection. `caller` is an agent, a credential, or a stranger's network.

    Its socket is the handshake's once that has begun, then the transport's.
    """

    sock: socket.socket
    caller: str
    since_s: float
    kind: Kind = "stranger"
    handshake: asyncio.Task[None] | None = None
    transport: asyncio.Transport | None = None
    timer: asyncio.TimerHandle | None = None  # cuts whoever asks for nothing
    is_cut: bool = False

    @property
    def is_held(self) -> bool:
        """Whether it has its descriptor, and keeps it."""
        return not self.is_cut and self.sock.fileno() >= 0

    def cut(self) -> None:
        """End it without waiting for the other end; its descriptor is free a moment later."""
        self.is_cut = True
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()
        else:
            self.sock.close()


def places() -> dict[Kind, int]:
    """Return how many connections of each kind the process's descriptors allow.

    What is left is for the database, files and connections through the unix socket.
    """
    strangers = min(MAX_STRANGERS, descriptor_limit() // 4)
    people = min(MAX_PEOPLE, descriptor_limit() // 8)
    agents = descriptors_for_sockets() - strangers - people
    return {"stranger": strangers, "person": people, "agent": agents}


class OpenConnections(dict[Connection, None]):
    """Some connections, the oldest first; those that have ended are forgotten when it is asked."""

    def now(self) -> list[Connection]:
        """Return those that are held."""
        for ended in [one for one in self if not one.is_held]:
            del self[ended]
        return list(self)

    def is_full(self, most: int) -> bool:
        """Whether as many as may be are held."""
        return len(self) >= most and len(self.now()) >= most


@dataclass(slots=True)
class Connections:
    """All connections of the TCP listeners."""

    places: dict[Kind, int] = field(default_factory=places)
    cut: Counter[Reason] = field(default_factory=Counter)
    _of_kind: dict[Kind, OpenConnections] = field(
        default_factory=lambda: {kind: OpenConnections() for kind in KINDS}
    )
    _of_caller: dict[str, OpenConnections] = field(default_factory=dict)  # agents and people
    _by_descriptor: dict[int, Connection] = field(default_factory=dict)
    _told_s: float = -TOLD_EVERY_S

    def add(self, connection: Connection) -> None:
        """Hold one more, a stranger's."""
        self._by_descriptor[connection.sock.fileno()] = connection  # who had the number has ended
        self._of_kind["stranger"][connection] = None

    def of_transport(self, transport: asyncio.BaseTransport | None) -> Connection | None:
        """Return the connection that a request came over; None for the unix socket's."""
        channel = None if transport is None else transport.get_extra_info("socket")
        found = None if channel is None else self._by_descriptor.get(channel.fileno())
        return found if found is not None and found.is_held else None

    def count(self, kind: Kind) -> int:
        """Return how many of a kind are held; asked in a thread."""
        return sum(one.is_held for one in list(self._of_kind[kind]))

    def end(self, connection: Connection, reason: Reason) -> None:
        """Cut a connection, unless it has ended."""
        if connection.is_held:
            connection.cut()
            self.tell(reason)

    def tell(self, reason: Reason) -> None:
        """Count a connection that was cut or refused; the log has a line a minute of all."""
        self.cut[reason] += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            said = ", ".join(f"{count} {WORDS[why]}" for why, count in self.cut.items())
            logger.warning("connections are cut; since the start: %s", said)

    def wait_s(self, newcomer: socket.socket, now_s: float) -> float | None:
        """Return 0 if one more stranger has a place, else in how many seconds to ask again.

        The oldest stranger of the network that has most of them gives way, once it has had its
        grace. None where nobody can give way: the last descriptors are not for strangers.
        """
        strangers = self._of_kind["stranger"]
        is_scarce = newcomer.fileno() >= descriptors_for_sockets()
        if not is_scarce and not strangers.is_full(self.places["stranger"]):
            return 0.0
        held = strangers.now()
        if not held:
            return None
        oldest = _of_the_most_numerous(held)[0]
        grace_s = oldest.since_s + GRACE_S - now_s
        if grace_s > 0:
            return grace_s
        self.end(oldest, "room")
        return 0.0

    def identify(self, connection: Connection, kind: Kind, caller: str) -> bool:
        """Count a stranger's connection as that of a known caller; False where it has its share.

        Where all places of the kind are taken, the newest of whoever has most gives way.
        """
        others, mine = self._of_kind[kind], self._of_caller.setdefault(caller, OpenConnections())
        if mine.is_full(MAX_OF_ONE):
            return False
        if others.is_full(self.places[kind]):
            newest = _of_the_most_numerous(others.now())[-1]
            if len(self._of_caller[newest.caller].now()) <= len(mine.now()) + 1:
                return False
            self.end(newest, "share")
        self._of_kind["stranger"].pop(connection, None)
        connection.kind, connection.caller = kind, caller
        others[connection] = mine[connection] = None
        return True


def _of_the_most_numerous(connections: list[Connection]) -> list[Connection]:
    (caller, _), *_ = Counter(one.caller for one in connections).most_common(1)
    return [one for one in connections if one.caller == caller]


def network_of(address: str) -> str:
    """Return the network whose addresses count as one stranger: of IPv6 the /64."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
