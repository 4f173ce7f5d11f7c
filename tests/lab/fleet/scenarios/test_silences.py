"""Real agents: what one of them does not answer is never loss of the path towards it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytestmark = pytest.mark.network

PATIENCE_S = 120.0  # a hang, not slowness
ADDRESSES = {"nanjing": "127.0.0.1", "suzhou": "127.0.0.2"}
THERE, BACK = "nanjing.telecom.v4>suzhou.telecom.v4", "suzhou.telecom.v4>nanjing.telecom.v4"
POLICY = '[policy]\ndestinations = ["127.0.0.0/8"]\n'


class Fleet:
    """A controller and two agents on loopback, each a process."""

    def __init__(self, path: Path) -> None:
        self.path, self.socket = path, path / "c.sock"
        with socket.socket(type=socket.SOCK_DGRAM) as trial:
            trial.bind(("127.0.0.2", 0))
            port = trial.getsockname()[1]
        sites = "".join(
            f'[[site]]\nname = "{name}"\ncity = "{name}"\n'
            f'interface = [{{ carrier = "telecom", ipv4 = "{address}" }}]\n'
            for name, address in ADDRESSES.items()
        )
        (path / "sites.toml").write_text(
            f'[network]\nname = "t"\ntitle = {{ en = "T", zh = "试" }}\n{sites}'
            f'[[mesh]]\nname = "all"\n[[mesh.stream]]\nprotocol = "udp"\nport = {port}\n'
            "interval_ms = 20\ntimeout_ms = 2000\n",
            encoding="utf-8",
        )
        self.use("nanjing", POLICY)
        self.use("suzhou", POLICY)

    def use(self, name: str, policy: str) -> None:
        head = f'name = "{name}"\ncontroller = "unix://{self.socket}"\n'
        text = f'{head}state_dir = "{self.path / name}"\n{policy}'
        (self.path / f"{name}.toml").write_text(text, encoding="utf-8")

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        with (self.path / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "isochrone", *words),
                stderr=log,
                stdout=log,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )

    async def agent(self, name: str) -> asyncio.subprocess.Process:
        return await self.start("agent", "run", "--config", str(self.path / f"{name}.toml"))

    async def paths(self) -> dict[str, Any]:
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self.socket))
        ) as session:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get("http://c/api/v1/paths") as answer:
                    return {item["id"]: item for item in (await answer.json())["items"]}
        return {}

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                paths = await self.paths()
                if paths and holds(paths):
                    return paths
                await asyncio.sleep(0.2)  # what it waits for is another process


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Any]:
    fleet = Fleet(tmp_path)
    sources = ["--sites", str(tmp_path / "sites.toml"), "--data", str(tmp_path / "data")]
    listens = [
        "--listen",
        f"unix:{fleet.socket}",
        "--judge-period",
        "300",
        "--window",
        "0.5",
        "--judge-every",
        "1",
    ]
    running = {"controller": await fleet.start("controller", "run", *sources, *listens)}
    try:
        # The sender is there first: nobody answers it yet, and that is no loss.
        running["nanjing"] = await fleet.agent("nanjing")
        await fleet.until(lambda paths: rules_of(paths[THERE]) == {"plan.unconfirmed"})
        running["suzhou"] = await fleet.agent("suzhou")
        yield fleet, running
    finally:
        for process in running.values():
            if process.returncode is None:
                process.terminate()
            await process.wait()


def rules_of(path: Any) -> set[str]:
    return {silence["rule"] for silence in path["silences"]}


def sent_of(path: Any) -> int:
    return int(path["figures"]["udp"]["sent"])


async def settled(fleet: Fleet, beyond: int) -> None:
    """Wait for windows of after a change to be judged, and hold them to have lost nothing."""
    paths = await fleet.until(
        lambda paths: not rules_of(paths[THERE]) and sent_of(paths[THERE]) > beyond
    )
    assert paths[THERE]["figures"]["udp"]["lost"] == 0
    assert paths[THERE]["state"] != "path_down"


async def test_a_policy_a_kill_and_a_stop_of_the_far_end_are_no_loss(fleet: Any) -> None:
    fleet, running = fleet
    await settled(fleet, 100)
    fleet.use("suzhou", f"{POLICY}[policy.reflector]\nenabled = false\n")
    running["suzhou"].send_signal(signal.SIGHUP)
    paths = await fleet.until(lambda paths: rules_of(paths[THERE]) != set())
    assert rules_of(paths[THERE]) == {"policy.reflector.enabled"}
    (told,) = paths[THERE]["silences"]
    assert (told["agent"], told["side"]) == ("suzhou", "answering")
    back = sent_of(paths[BACK])
    paths = await fleet.until(lambda paths: sent_of(paths[BACK]) > back + 200)  # some windows
    assert paths[THERE]["state"] == "curtailed"
    assert paths[THERE]["figures"]["udp"]["lost"] == 0
    fleet.use("suzhou", POLICY)
    running["suzhou"].send_signal(signal.SIGHUP)
    await settled(fleet, 0)

    running["suzhou"].kill()
    await running["suzhou"].wait()
    # Nobody has told anything: what is lost towards it counts, until it comes and tells.
    await fleet.until(lambda paths: paths[THERE]["figures"]["udp"]["lost"] > 50)
    running["suzhou"] = await fleet.agent("suzhou")
    await fleet.until(
        lambda paths: paths[THERE]["figures"]["udp"]["lost"] == 0 and sent_of(paths[THERE]) > 100
    )

    running["suzhou"].terminate()
    await running["suzhou"].wait()
    paths = await fleet.until(lambda paths: rules_of(paths[THERE]) == {"agent.stopped"})
    assert paths[THERE]["figures"]["udp"]["lost"] == 0
    running["suzhou"] = await fleet.agent("suzhou")
    await settled(fleet, 0)
