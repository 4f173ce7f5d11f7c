"""The agent as a process: its parts put together, kept running, and stopped without loss."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.clock_watch import ClockWatch
from agent.conditions import Conditions
from agent.config import AgentConfig
from agent.measuring.measuring import Measuring
from agent.measuring.unanswered_journal import JOURNAL_FILE, UnansweredJournal
from agent.plan.in_force import PlanInForce
from agent.policy.policy import Policy
from agent.reload import Reload
from agent.self_test import SelfTest
from agent.spool.spooler import Spooler
from agent.state_directory import StateDirectory, sole_use_of
from agent.wake_up import WakeUp
from foundation.clock import SystemClock
from foundation.errors import ConfigError
from foundation.service_manager import READY, STOPPING, Heartbeat, notify_manager
from messages.controller_url import socket_path
from messages.sections.windows import WINDOWS

if TYPE_CHECKING:
    import aiohttp

    from agent.identity.credentials import Credentials

DRAIN_S = 5.0  # how long a stopping agent tries to deliver its last windows


class Part(Protocol):
    """What the agent consists of."""

    async def run(self) -> None:
        """Do its work until it is cancelled."""


async def run_agent(config: AgentConfig, config_path: Path) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP lets `config_path` be read again.

    ResourceError if the state directory cannot be used, ConfigError if the agent is not enrolled.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with sole_use_of(Path(config.state_dir)) as directory:
        if not directory.is_enrolled():
            _credentials(config)  # says what is missing, before anything is measured
        station = Station(config, config_path, directory)
        loop.add_signal_handler(signal.SIGHUP, station.reload.ask)
        try:
            await _run(station, config, stop)
        finally:
            await asyncio.to_thread(station.spooler.close)


async def _run(station: Station, config: AgentConfig, stop: asyncio.Event) -> None:
    """Measure, then speak with the controller: TLS and the HTTP client take longer to load than
    all that is needed for measuring."""
    await station.begin()
    try:
        credentials = await asyncio.to_thread(_credentials, config)
    except ConfigError:
        await station.measuring.stop()
        raise
    await asyncio.to_thread(station.self_test.look)
    from agent.channel.link import open_session

    context = None if credentials is None else credentials.context
    session, base = open_session(config.controller, context, config.proxy)
    async with session, asyncio.TaskGroup() as group:
        channel = Channel(station, session, f"{base}/api/v1/agents/{config.name}", credentials)
        talking = group.create_task(channel.control.run(), name="control")
        try:
            notify_manager(READY)
            await _until(stop, {**station.parts(), **channel.parts()})
        finally:
            notify_manager(STOPPING)
            await station.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await channel.uplink.drain()
                await channel.control.report_end()
        talking.cancel()


class Station:
    """What measures and keeps results, with no controller: everything is made here, in order.

    ResourceError from the constructor: the spool cannot be opened.
    """

    def __init__(self, config: AgentConfig, config_path: Path, directory: StateDirectory) -> None:
        self.name, self.clock, self.conditions = config.name, SystemClock(), Conditions()
        self.stored = WakeUp()
        self.spooler = Spooler(
            directory.path / "spool.sqlite3",
            agent=config.name,
            max_bytes=config.spool.max_bytes,
            max_age_s=config.spool.max_age_s,
            on_stored=self.stored.set,
            on_boot=directory.tell_boot,
        )
        self.clock_watch = ClockWatch(config.clock, self.clock)
        self.self_test = SelfTest(self.conditions)
        self.measuring = Measuring(
            on_windows=functools.partial(self.spooler.add, WINDOWS),
            clock=self.clock,
            own_clock_bound_ns=self.clock_watch.bound_ns,
            timestamp_shift_ns=round(config.clock.timestamp_shift_us * 1e3),
            conditions=self.conditions,
            policy=Policy(config.policy),
            sent_counters=self.spooler.sent_counters,
            settle=self.spooler.settle,
            journal=UnansweredJournal(directory.path / JOURNAL_FILE, self.clock),
            local_addresses=config.local_addresses,
        )
        self.plan = PlanInForce(directory.path, config.name, self.measuring, self.conditions)
        self.reload = Reload(
            config_path,
            config,
            self.conditions,
            measuring=self.measuring,
            spooler=self.spooler,
            clock_watch=self.clock_watch,
        )

    def parts(self) -> Mapping[str, Part]:
        """Return what runs, by name."""
        return {
            "measuring": self.measuring,
            "plan": self.plan,
            "clock": self.clock_watch,
            "self-test": self.self_test,
            "reload": self.reload,
            "heartbeat": Heartbeat(self.measuring.lives),
        }

    async def begin(self) -> None:
        """Look at the clock, and measure by the last plan."""
        await asyncio.to_thread(self.clock_watch.look)
        await self.plan.resume()

    async def end(self) -> None:
        """Stop measuring; what was measured is in the spool then."""
        await self.plan.end()
        await self.measuring.stop()
        await self.spooler.flush()


class Channel:
    """What speaks with the controller over one session. Heavy modules are loaded here."""

    def __init__(
        self,
        station: Station,
        session: aiohttp.ClientSession,
        base: str,
        credentials: Credentials | None,
    ) -> None:
        from importlib.metadata import version

        from agent.channel.claim import Claim
        from agent.channel.control import Control
        from agent.channel.uplink import Uplink
        from agent.health import HealthReporter

        clock, conditions, claim = station.clock, station.conditions, Claim()
        self.health = HealthReporter(
            version=version("isochrone"),
            measuring=station.measuring,
            spooler=station.spooler,
            conditions=conditions,
            clock=clock,
            clock_watch=station.clock_watch,
            self_test=station.self_test,
        )
        self.uplink = Uplink(
            session, f"{base}/chunks", station.spooler, conditions, claim, stored=station.stored
        )
        self.control = Control(
            session,
            f"{base}/control",
            station.name,
            conditions,
            health=self.health.report,
            on_plan=station.plan.take,
            on_revoked=station.plan.give_up_keys,
            on_copied=station.spooler.begin_boot,
            curtailed=station.measuring.curtailed,
            claim=claim,
            gate=None if credentials is None else credentials.plan_gate(station.plan.current),
        )
        self.renewal = None
        if credentials is not None:
            self.renewal = credentials.renewal(session, f"{base}/certificate", conditions, clock)

    def parts(self) -> Mapping[str, Part]:
        """Return what runs until the agent is to stop, by name; `control` continues beyond that."""
        parts: dict[str, Part] = {"uplink": self.uplink, "health": self.health}
        return parts if self.renewal is None else {**parts, "renewal": self.renewal}


def _credentials(config: AgentConfig) -> Credentials | None:
    """Return what is shown to the controller; on a unix socket nothing has to be loaded for it."""
    if socket_path(config.controller) is not None:
        return None
    from agent.identity.credentials import credentials_of

    return credentials_of(config)


async def _until(stop: asyncio.Event, parts: Mapping[str, Part]) -> None:
    """Run all parts as named tasks until `stop` is set; a part that breaks stops the others."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part.run(), name=name) for name, part in parts.items()]
        await stop.wait()
        for task in tasks:
            task.cancel()
