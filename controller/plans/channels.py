"""Which agent of a name is heard: one living control channel each (docs/decisions/agents.md).

Two machines may come with one certificate, one spool, one boot id even (a copied disk, a resumed
snapshot), and each is sure to be the only one. Whoever is here and lives stays; who comes after is
refused, and told. A channel whose end is known (the process was killed, the machine shut down)
leaves its place at once; any other is asked with a ping, whose answer proves that two live at the
same time. The channel's claim, which is drawn here, goes with every delivery: nothing is stored of
an agent that is not heard.

Two agents of one name measure the same twice, and one of them may deliver what it measured long
after the other has ended. Of a life that had such a duplicate nothing is stored of a time of which
the other's windows are stored already; nobody else's windows are looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from controller.store.interface import DuplicateStore
from controller.store.records import DUPLICATES_KEPT, DuplicateRecord
from foundation.clock import Clock
from foundation.errors import IsochroneError

logger = logging.getLogger("isochrone.controller")
PINGS, PING_LIMIT_S = 4, 1.0  # several: a machine that stands still for a moment misses one
LATELY_NS = 7_000_000_000  # a living agent reports every five seconds, and may be busy meanwhile
# Who runs since longer before another's last word than words may lie unread lived beside it.
LAG_NS = 60_000_000_000
MAX_OPEN = 4  # channels of one agent, with those that have not said Hello
TOLD_AGAIN_NS = 600_000_000_000


class Claimed(NamedTuple):
    """Whether an agent is heard now, and which other boot of its name lived when it did."""

    is_heard: bool
    beside: str = ""


class Link(Protocol):
    """The connection that a channel is open over. Sending raises ConnectionError where it ended."""

    async def send(self, message: str) -> None:
        """Send a message to the agent."""

    async def ping(self, data: bytes) -> None:
        """Ask whether the other end is there."""

    def cut(self) -> None:
        """End the connection without waiting for the other end."""

    def is_let_in(self) -> bool:
        """Whether the credential that the connection came with still counts."""


@dataclass(slots=True, eq=False)
class Channel:
    """One open control channel. `alive` is set once the ping of now is answered."""

    link: Link
    boot: str = ""
    claim: str = ""
    asked: bytes = b""
    alive: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_answer(self) -> bool:
        """Return whether the other end answers a ping of now; what it said before proves nothing:
        it may have lain unread."""
        self.asked = secrets.token_bytes(8)
        self.alive.clear()
        for _ in range(PINGS):
            with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
                async with asyncio.timeout(PING_LIMIT_S):
                    await self.link.ping(self.asked)
                    await self.alive.wait()
                    return True
        return False

    def cut(self) -> None:
        """End the connection without waiting for the other end."""
        self.link.cut()


class Channels:
    """The channels of all agents. On the event loop alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._living: dict[str, Channel] = {}
        self._last: dict[str, tuple[str, int]] = {}  # the boot heard last, and when
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

    def heard(self, name: str, channel: Channel, pong: bytes | None = None) -> None:
        """Note that something came over a channel, maybe the answer to a ping."""
        if self._living.get(name) is channel:
            self._last[name] = channel.boot, self._clock.monotonic_ns()
        if pong is not None and pong == channel.asked:
            channel.alive.set()

    def is_full(self, name: str) -> bool:
        """Whether an agent has as many channels open as one may have."""
        return self._open[name] >= MAX_OPEN

    def living(self, name: str) -> Channel | None:
        """Return the channel on which an agent is heard."""
        return self._living.get(name)

    async def claim(self, name: str, channel: Channel, boot: str, up_ns: int) -> Claimed | None:
        """Let an agent, which runs since `up_ns`, be heard on a channel if no other one lives.

        None: that is not known yet.
        """
        holder = self._living.get(name)
        if holder is not None and holder is not channel:
            if name in self._asking:
                return None
            self._asking.add(name)
            try:
                answers = await holder.wait_answer()
            finally:
                self._asking.discard(name)
            if self._living.get(name) is holder:
                if answers:
                    return self._refused(name, holder, boot)
                if boot != holder.boot and self._was_heard_lately(name):
                    return None
                holder.cut()
        beside = self._beside(name, boot, up_ns)
        channel.boot, channel.claim = boot, secrets.token_hex(16)
        self._living[name] = channel
        self._last[name] = boot, self._clock.monotonic_ns()
        return Claimed(is_heard=True, beside=beside)

    def _was_heard_lately(self, name: str) -> bool:
        _, heard_ns = self._last[name]
        return self._clock.monotonic_ns() - heard_ns < LATELY_NS

    def _refused(self, name: str, holder: Channel, boot: str) -> Claimed:
        if boot == holder.boot:  # a copy of its memory, which may have its claim too
            holder.claim = secrets.token_hex(16)
        self.refused[name] += 1
        return Claimed(is_heard=False, beside=holder.boot)

    def _beside(self, name: str, boot: str, up_ns: int) -> str:
        """Return the boot that was heard before, if this one ran at the time."""
        before, heard_ns = self._last.get(name, (boot, 0))
        began_ns = self._clock.monotonic_ns() - up_ns
        return before if before != boot and began_ns + LAG_NS < heard_ns else ""

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


class DuplicateAgents:
    """All that are known. On the event loop alone."""

    def __init__(self, store: DuplicateStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._of: dict[str, dict[str, DuplicateRecord]] = {}  # by agent and boot, as they were seen
        for record in store.records():
            self._keep(record)

    def is_duplicate(self, agent: str, boots: Iterable[str]) -> bool:
        """Whether one of these boots lived while another of the agent's name did."""
        return not self._of.get(agent, {}).keys().isdisjoint(boots)

    def refused_last(self) -> dict[str, DuplicateRecord]:
        """Return by agent who was refused last since another one of its name was heard."""
        return {
            agent: one
            for agent, seen in self._of.items()
            for one in seen.values()  # of several the last one stays
            if one.refused
        }

    async def note(self, agent: str, heard: str, other: str, *, refused: bool) -> None:
        """Keep that two boots lived at the same time: one that is `heard`, and another one.

        Done before anybody is answered, so that no end of ours forgets it. On a full disk it is
        known until then.
        """
        now_ns = self._clock.wall_ns()
        fresh = [DuplicateRecord(agent=agent, boot=other, refused=refused, seen_ns=now_ns)]
        if heard not in self._of.get(agent, {}):
            fresh.insert(0, DuplicateRecord(agent=agent, boot=heard, refused=False, seen_ns=now_ns))
        for record in fresh:
            self._keep(record)
        try:
            await asyncio.wrap_future(self._store.put(fresh))
        except IsochroneError as error:
            logger.error("that %s runs twice is not kept: %s", agent, error)

    def _keep(self, record: DuplicateRecord) -> None:
        known = self._of.setdefault(record.agent, {})
        known.pop(record.boot, None)
        known[record.boot] = record
        if len(known) > DUPLICATES_KEPT:
            del known[next(iter(known))]
