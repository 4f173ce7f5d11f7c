"""Keeps the fleet fresh: events of the controller where they come, polling where they do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from tui.client import Client
from tui.errors import TuiError
from tui.fleet import Fleet, Link

LEAST_GAP_S = 0.5  # between two full readings, however fast events come


class Clock(Protocol):
    """Two scales: one that never steps, and the calendar."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a scale that neither steps nor stops."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Nanoseconds of CLOCK_REALTIME."""
        return time.time_ns()


async def read_fleet(client: Client, clock: Clock) -> Fleet:
    """Return one reading of everything; TuiError if any part cannot be had."""
    try:
        async with asyncio.TaskGroup() as group:
            health = group.create_task(client.get_health(), name="read health")
            sites = group.create_task(client.get_sites(), name="read sites")
            agents = group.create_task(client.get_agents(), name="read agents")
            targets = group.create_task(client.get_targets(), name="read targets")
            groups = group.create_task(client.get_groups(), name="read groups")
            paths = group.create_task(client.get_paths(), name="read paths")
            verdicts = group.create_task(client.get_verdicts(), name="read verdicts")
    except* TuiError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return Fleet(
        health=health.result(),
        sites=tuple(sites.result()),
        agents=tuple(agents.result()),
        targets=tuple(targets.result()),
        groups=tuple(groups.result()),
        paths=tuple(paths.result()),
        verdicts=tuple(verdicts.result()),
        read_ns=clock.wall_ns(),
    )


class Feed:
    """Reads the controller again and again, and tells `on_fleet` and `on_link` what came of it."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        refresh_s: float,
        *,
        on_fleet: Callable[[Fleet], None],
        on_link: Callable[[Link], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._refresh_s = refresh_s
        self._on_fleet = on_fleet
        self._on_link = on_link
        self._wanted = asyncio.Event()

    def ask(self) -> None:
        """Read now rather than at the next turn."""
        self._wanted.set()

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_forever(), name="tui reading")
            group.create_task(self._listen_forever(), name="tui events")

    async def _read_forever(self) -> None:
        while True:
            self._wanted.clear()
            try:
                fleet = await read_fleet(self._client, self._clock)
            except TuiError as error:
                self._on_link(Link(state="stale", url=self._client.url, error=error))
            else:
                self._on_fleet(fleet)
                self._on_link(Link(state="live", url=self._client.url))
            await asyncio.sleep(min(LEAST_GAP_S, self._refresh_s))
            try:
                async with asyncio.timeout(self._refresh_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _listen_forever(self) -> None:
        """Turn events into wishes; a controller without the event stream is polled all the same."""
        while True:
            try:
                async for event in self._client.events():
                    if event.type == "verdicts":
                        self.ask()
            except TuiError:
                pass  # the reading task tells the user; this one only makes it quicker
            await asyncio.sleep(self._refresh_s)
