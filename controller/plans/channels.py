"""Which agent of a name is heard: one living control channel each (decision 0225).

Two machines may come with one certificate, one spool, one boot id even (a copied disk, a resumed
snapshot), and each is sure to be the only one. Whoever is here and speaks stays; who comes after is
refused, and told, for as long as that one lives. A channel whose end is known (the process was
killed, the machine shut down) leaves its place at once; one that has only fallen silent is asked
with a ping. The channel's claim, which is drawn here, goes with every delivery: nothing is stored
of an agent that is not heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

from probes.clock import Clock

ANSWER_LIMIT_S = 3.0
LATELY_NS = 10_000_000_000  # a living agent reports every five seconds
MAX_OPEN = 4  # channels of one agent, with those that have not said Hello
TOLD_AGAIN_NS = 600_000_000_000


@dataclass(slots=True, eq=False)
class Channel:
    """One open control channel. `alive` is set whenever something is heard on it."""

    request: web.Request
    socket: web.WebSocketResponse
    boot: str = ""
    claim: str = ""
    heard_ns: int = 0
    alive: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_answer(self) -> bool:
        """Return whether the other end is there: it answers a ping, or says anything else."""
        self.alive.clear()
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self.socket.ping()
                await self.alive.wait()
        return self.alive.is_set()

    def cut(self) -> None:
        """End the connection without waiting for the other end."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Channels:
    """The channels of all agents. On the event loop alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._living: dict[str, Channel] = {}
        self._open: Counter[str] = Counter()
        self._asking: set[str] = set()  # agents whose channel is being asked whether it is there
        self._told: dict[str, tuple[str, int]] = {}  # the boot that was refused last, and when
        self.refused: Counter[str] = Counter()  # who came while another one was heard, by agent

    @contextlib.contextmanager
    def opened(self, name: str, channel: Channel) -> Iterator[None]:
        """Count a channel as open; what it held is free afterwards."""
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if self._living.get(name) is channel:
                del self._living[name]

    def heard(self, channel: Channel) -> None:
        """Note that something came over a channel."""
        channel.heard_ns = self._clock.monotonic_ns()
        channel.alive.set()

    def is_full(self, name: str) -> bool:
        """Whether an agent has as many channels open as one may have."""
        return self._open[name] >= MAX_OPEN

    def living(self, name: str) -> Channel | None:
        """Return the channel on which an agent is heard."""
        return self._living.get(name)

    async def claim(self, name: str, channel: Channel, boot: str) -> bool:
        """Let an agent be heard on a channel; False where another one is, which answers."""
        holder = self._living.get(name)
        if holder is not None and holder is not channel:
            if name in self._asking:
                return False
            self._asking.add(name)
            try:
                # Of another boot nobody is the same agent coming back over a better connection.
                lately = self._clock.monotonic_ns() - holder.heard_ns < LATELY_NS
                answers = (boot != holder.boot and lately) or await holder.wait_answer()
            finally:
                self._asking.discard(name)
            if answers and self._living.get(name) is holder:
                if boot == holder.boot:  # a copy of its memory, which may have its claim too
                    holder.claim = secrets.token_hex(16)
                self.refused[name] += 1
                return False
            if self._living.get(name) is holder:
                holder.cut()
        channel.boot, channel.claim = boot, secrets.token_hex(16)
        self._living[name] = channel
        return True

    def is_news(self, name: str, boot: str) -> bool:
        """Whether it was not told of late that this other one came."""
        before, now_ns = self._told.get(name), self._clock.monotonic_ns()
        if before is not None and before[0] == boot and now_ns - before[1] < TOLD_AGAIN_NS:
            return False
        self._told[name] = (boot, now_ns)
        return True

    def may_deliver(self, name: str, claim: str | None) -> bool:
        """Whether who shows `claim` is the agent that is heard, or none is."""
        holder = self._living.get(name)
        return holder is None or holder.claim == claim
