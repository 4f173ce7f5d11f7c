"""A whole fleet on this machine: the controller, the WAN and an agent in each site's network."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np

from foundation.errors import ResourceError
from foundation.text import Text, counted
from lab.fleet.api_client import ApiClient
from lab.fleet.processes import ControllerProcess, WanProcess
from lab.fleet.run_directory import RunDirectory
from lab.fleet.scenario import Scenario
from lab.fleet.wan_spec import SiteSpec, WanSpec
from lab.progress import Progress

READY_S = 60.0  # a slow machine starts twenty interpreters in this time
# The owner of a laboratory allows what a carrier would not: any rate, the machine's own addresses.
LAB_POLICY = """
[policy]
destinations = ["0.0.0.0/0", "::/0", "127.0.0.0/8", "::1/128"]
max_packets_per_s = 1e6
max_bits_per_s = 1e9
max_packets_per_s_per_destination = 1e5
max_bits_per_s_per_destination = 1e8
max_packet_bytes = 9000

[policy.reflector]
max_packets_per_s = 1e6
max_packets_per_s_per_source = 1e5
"""


class Fleet:
    """Starts everything of a scenario in a run directory, and ends it."""

    def __init__(self, scenario: Scenario, directory: RunDirectory, judge_period_s: float) -> None:
        self.scenario = scenario
        self.run_dir = directory.path
        self.log_dir = self.run_dir / "truth"
        options = {
            "judge-period": judge_period_s,
            "judge-every": 2.0,
            "window": scenario.window_s,
        }
        self.controller = ControllerProcess(self.run_dir, scenario.sites_file, options)
        self.temporary = directory.temporary
        self._wan: WanProcess | None = None

    def start(self) -> None:
        """Start the controller, the networks and the agents; does not wait for them."""
        self.controller.start()
        self._wan = WanProcess(self._spec())

    def check(self) -> None:
        """Raise an error with the end of the log if anything has died."""
        self.controller.check()
        if self._wan is not None:
            self._wan.check()

    async def wait_until_measuring(self) -> float:
        """Wait until every agent has its plan, saying how far it is; return the seconds it took."""
        began = time.monotonic()
        network = self.scenario.network
        wanted = {name for name, site in network.sites.items() if not site.external}
        progress = Progress(3)
        async with ApiClient(self.controller.url) as api:
            progress.step(Text("the controller", "控制器"))
            while await api.get("health") is None:
                await self._wait(began, wanted)
            sites = len(network.sites)
            progress.step(
                Text(
                    f"networks of {counted(sites, 'site')} and the WAN between them",
                    f"{sites} 个站点的网络及其间的仿真广域网",
                )
            )
            while self._wan is not None and not self._wan.ready():
                await self._wait(began, wanted)
            progress.step(Text("agents that measure", "开始测量的探针"))
            while missing := wanted - await api.agents_ready():
                progress.count(len(wanted) - len(missing), len(wanted))
                await self._wait(began, missing)
            progress.count(len(wanted), len(wanted))
            progress.end()
        return time.monotonic() - began

    async def _wait(self, began: float, missing: set[str]) -> None:
        """Let a moment pass while agents come up. Raises ResourceError if they never will."""
        self.check()
        if time.monotonic() - began > READY_S:
            names = ", ".join(sorted(missing))
            raise ResourceError(
                f"These agents did not come up within {READY_S:.0f} s: {names}."
                " Their logs are in the run directory (--keep).",
                f"以下探针在 {READY_S:.0f} 秒内未能就绪：{names}。日志见运行目录（--keep）。",
            )
        await asyncio.sleep(0.25)

    def stop_agents(self) -> None:
        """Stop agents and emulator; the controller stays to take their last windows."""
        if self._wan is not None:
            self._wan.stop()

    def counters(self) -> dict[str, int]:
        """Return what the emulator counted, once it has finished."""
        finished = self._wan.finished if self._wan is not None else None
        return finished.counters if finished is not None else {}

    def stop(self) -> None:
        """End everything, in whatever state it is."""
        try:
            self.stop_agents()
        finally:
            self.controller.stop()

    def kill(self) -> None:
        """End everything at once: what it keeps is wanted by nobody."""
        if self._wan is not None:
            self._wan.kill()
        self.controller.kill()

    def _spec(self) -> WanSpec:
        scenario = self.scenario
        table = self.run_dir / "paths.npz"
        names = scenario.table.__slots__
        np.savez(table, **{name: getattr(scenario.table, name) for name in names})
        return WanSpec(
            run_dir=str(self.run_dir),
            remove_when_orphaned=self.temporary,
            sites=tuple(self._site_specs()),
            table=str(table),
            log_dir=str(self.log_dir),
            seed=scenario.seed,
        )

    def _site_specs(self) -> Iterator[SiteSpec]:
        for name, site in self.scenario.network.sites.items():
            config = None
            if not site.external:
                config = self.run_dir / f"agent-{name}.toml"
                config.write_text(self._agent_config(name), encoding="utf-8")
            yield SiteSpec(
                name=name,
                addresses=tuple(interface.address for interface in site.interfaces),
                agent_config=None if config is None else str(config),
            )

    def _agent_config(self, name: str) -> str:
        clock = self.scenario.clocks[name]
        state_dir = self.run_dir / "agents" / name
        state_dir.mkdir(parents=True)
        lines = [
            f'name = "{name}"',
            f'controller = "unix://{self.controller.socket_path}"',
            f'state_dir = "{state_dir}"',
            "[clock]",
            f"timestamp_shift_us = {clock.shift_us}",
        ]
        if clock.synchronised:
            lines.append(f"declared_bound_us = {clock.bound_us}")
        return "\n".join(lines) + "\n" + LAB_POLICY


class Runnable(Protocol):
    """A fleet that can be started and ended."""

    temporary: bool  # its directory goes away with it

    def start(self) -> None:
        """Start everything."""

    def stop(self) -> None:
        """End everything, handing in what there is."""

    def kill(self) -> None:
        """End everything at once."""


AnyFleet = TypeVar("AnyFleet", bound=Runnable)


@contextlib.contextmanager
def running(fleet: AnyFleet) -> Iterator[AnyFleet]:
    """Run a fleet and end it whatever happens; signals that come while it ends are too late.

    What will be removed ends at once; what is kept hands in what it has.
    """
    try:
        fleet.start()
        yield fleet
    finally:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
        try:
            fleet.kill() if fleet.temporary else fleet.stop()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
