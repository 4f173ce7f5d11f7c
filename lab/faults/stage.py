"""A small fleet that things are done to: real processes, real packets, each run on clean ground."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.spool.counts import count_of, total
from agent.spool.sent_counters import read_sent_counters
from foundation.errors import ResourceError
from lab.faults.agents import Agents
from lab.faults.network import FaultNetwork
from lab.faults.result import Result, curtailed_by_rule, dropped_by_reason, still_waiting
from lab.faults.sites import ADDRESSES, site_file
from lab.faults.spool_file import is_kept, waiting
from lab.fleet.api_client import ApiClient
from lab.fleet.kernel import mount_memory, unmount
from lab.fleet.owner_commands import create_authority, create_enrolment_token
from lab.fleet.processes import ControllerProcess
from lab.fleet.stored import StoredWindows, read_stored

_PORT = 8443
_READY_S, _DRAIN_S, _TOKEN_KNOWN_S = 60.0, 60.0, 10.0


class Stage:
    """Three agents in their own networks and a controller. Every wait has an end."""

    def __init__(self, network: FaultNetwork, run_dir: Path, seed: int) -> None:
        self.network, self.run_dir = network, run_dir
        self.random = random.Random(seed)  # noqa: S311 - chooses moments, keeps no secret
        self.problems: list[str] = []  # what was seen on the way and must not be
        self.sites = sites = run_dir / "sites.toml"
        sites.write_text(site_file(), encoding="utf-8")
        options = {"judge-period": 60.0, "judge-every": 5.0, "window": 1.0}
        self.clock_shift = run_dir / "clock-shift"
        self.url = f"https://{network.controller_address}:{_PORT}"
        words = ["--clock-shift-file", str(self.clock_shift)]
        words += ["--listen", f"{network.controller_address}:{_PORT}"]
        self.controller = ControllerProcess(run_dir, sites, options, *words)
        self.agents = Agents(network, run_dir, self.url)
        self._wire_before = network.probes_on_the_wire()
        self._mounts: list[Path] = []

    def mount(self, directory: Path, size_bytes: int) -> None:
        """Let a directory be its own small disk until the end."""
        directory.mkdir(parents=True, exist_ok=True)
        mount_memory(directory, size_bytes)
        self._mounts.append(directory)

    def begin(self) -> None:
        """Start everything, agents enrolled one by one, and wait until all of them measure."""
        create_authority(self.controller.data, self.network.controller_address)
        tokens = {name: self.token_for(name) for name in self.agents}
        self.controller.start()
        self.wait_for_controller()
        for name, token in tokens.items():
            self.enrol(name, token)
            self.agents.start(name)
        self.wait_until_connected()

    def enrol(self, name: str, token: str) -> None:
        """Get an agent its certificate; a running controller knows a new token within seconds."""
        until = time.monotonic() + _TOKEN_KNOWN_S
        while True:
            try:
                self.agents.enrol(name, token)
            except ResourceError:
                if time.monotonic() > until:
                    raise
                self.pause(0.25)
            else:
                return

    def token_for(self, name: str) -> str:
        """Return a new one-time token for an agent."""
        return create_enrolment_token(self.controller.data, name)

    def wait_for_controller(self) -> None:
        """Wait until the controller answers."""
        self._wait(_READY_S, self._answers, "controller did not answer", "控制器无应答")

    def _answers(self) -> bool:
        return self.get("health") is not None

    def cut(self, whether: bool) -> None:
        """Cut every link between sites and to the controller, telling nobody; or fix them."""
        self.network.connect(not whether)

    def pause(self, low_s: float, high_s: float | None = None) -> None:
        """Let a time pass that the seed chooses, watching the processes."""
        until = time.monotonic() + self.random.uniform(low_s, high_s or low_s)
        while time.monotonic() < until:
            self._check()
            time.sleep(min(0.05, max(until - time.monotonic(), 0)))

    def get(self, path: str) -> Any:
        """Return what the controller's API says, None if it does not answer."""
        return asyncio.run(_get(self.controller.url, path))

    def do_harm_once(self) -> None:
        """Kill an agent or the controller, or cut the link, for a moment."""
        harm = self.random.choice(("agent", "controller", "link"))
        if harm == "agent":
            name = self.random.choice(sorted(ADDRESSES))
            self.agents.kill(name)
            self.pause(0.0, 0.5)
            self.agents.start(name)
        elif harm == "controller":
            self.controller.kill()
            self.pause(0.1, 1.5)
            self.controller.start()
        else:
            self.cut(True)
            self.pause(0.5, 2.0)
            self.cut(False)

    def wait_until_connected(self) -> None:
        """Wait until every agent has told its controller of its plan."""
        self._wait(_READY_S, self._connected, "agents did not connect", "探针未能接入")

    def _connected(self) -> bool:
        page = self.get("agents")
        states = {} if page is None else {one["name"]: one for one in page["items"]}
        return all(
            name in states
            and states[name]["state"] == "ok"
            and states[name]["plan_version"] == states[name]["wanted_plan_version"]
            # in this life of it
            and states[name]["health"]["started_ns"] >= self.agents.started_ns[name]
            for name in self.agents
        )

    def finish(self) -> Result:
        """Let everything drain, stop cleanly, and count: agents, controller, store, wire."""
        self.wait_until_connected()
        self._wait(_DRAIN_S, self._drained, "spools did not drain", "缓存未能清空")
        self.agents.stop(*self.agents)
        agents = {one["name"]: one["health"] for one in self.get("agents")["items"]}
        healths = [agents[name] for name in self.agents]
        ingest = self.get("health")["ingest"]
        windows = asyncio.run(_stored(self.controller.url))
        self.controller.stop()
        by_reason = dropped_by_reason(healths)
        places = [self.agents.state_dir(name) / "spool.sent" for name in self.agents]
        return Result(
            sent=total(read_sent_counters(place) for place in places),
            stored=count_of(windows=len(windows.stream_id), probes=int(windows.sent.sum())),
            dropped=total(by_reason.values()),
            by_reason=by_reason,
            waiting=still_waiting(healths),
            on_the_wire=self.network.probes_on_the_wire() - self._wire_before,
            refused=ingest["refused"],
            duplicates=ingest["duplicates"],
            agent_kills=self.agents.kills,
            problems=self.problems,
            curtailed=curtailed_by_rule(healths),
        )

    def end(self) -> None:
        """End whatever still runs."""
        self.agents.end()
        self.controller.kill()
        self.network.connect(True)
        while self._mounts:
            unmount(self._mounts.pop())

    def windows_stored(self, name: str) -> int:
        """Return how many windows of an agent the controller has stored, as it says."""
        page = self.get("agents")
        found = [] if page is None else [one for one in page["items"] if one["name"] == name]
        return int(found[0]["windows_stored"]) if found else 0

    def rate_on_the_wire(self, seconds: float) -> float:
        """Return how many probes per second all sites send, watched for so long from outside."""
        before, began = self.network.probes_on_the_wire(), time.monotonic()
        self.pause(seconds)
        return (self.network.probes_on_the_wire() - before) / (time.monotonic() - began)

    def waiting_chunks(self, name: str) -> int:
        """Return how many chunks wait on an agent's disk."""
        return len(waiting(self.agents.spool(name)))

    def wait_until_spool_is_kept(self, name: str) -> None:
        """Wait until an agent that was started has begun to keep its spool."""
        spool = self.agents.spool(name)
        self._wait(_READY_S, lambda: is_kept(spool), "spool was not begun", "缓存未能建立")

    def deliver_later(self, seconds: float) -> list[tuple[str, bytes]]:
        """Cut the links for a while; return what waits meanwhile, (agent, chunk), once it has all
        been delivered."""
        self.cut(True)
        self.pause(seconds)
        taken = [
            (name, chunk) for name in self.agents for chunk in waiting(self.agents.spool(name))
        ]
        self.cut(False)
        self.wait_until_connected()
        held = {chunk for _, chunk in taken}
        self._wait(
            _DRAIN_S,
            lambda: not any(held & set(waiting(self.agents.spool(n))) for n in self.agents),
            "spools did not drain",
            "缓存未能清空",
        )
        return taken

    def _drained(self) -> bool:
        # Two may always be on their way: that of this second and that of the one before.
        return all(self.waiting_chunks(name) <= 2 for name in self.agents)

    def _check(self) -> None:
        self.controller.check()
        self.agents.check()

    def _wait(self, limit_s: float, condition: Callable[[], bool], en: str, zh: str) -> None:
        until = time.monotonic() + limit_s
        while not condition():
            self._check()
            if time.monotonic() > until:
                raise ResourceError(
                    f"The {en} within {limit_s:.0f} s; logs are in {self.run_dir}.",
                    f"{zh}（{limit_s:.0f} 秒内）；日志见 {self.run_dir}。",
                )
            time.sleep(0.1)


async def _stored(url: str) -> StoredWindows:
    async with ApiClient(url) as api:
        return await read_stored(api)


async def _get(url: str, path: str) -> Any:
    async with ApiClient(url) as api:
        return await api.get(path)


@contextlib.contextmanager
def on_stage(network: FaultNetwork, run_dir: Path, seed: int) -> Iterator[Stage]:
    """Give a clean stage, and clear it whatever happened on it."""
    run_dir.mkdir()
    stage = Stage(network, run_dir, seed)
    try:
        yield stage
    finally:
        stage.end()
