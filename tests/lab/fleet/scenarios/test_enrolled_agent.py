"""The way a carrier walks, with real processes: init, token, enrol, run, revoke, enrol again."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.doctor.examine import examine
from lab.fleet.api_client import ApiClient
from lab.fleet.owner_commands import create_authority, create_enrolment_token
from lab.fleet.stored import read_stored

pytestmark = pytest.mark.network

PATIENCE_S = 180.0  # a hang, not slowness
SITES = """
[network]
name = "t"
title = { en = "T", zh = "试" }
presets = ["jiangsu"]
[[site]]
name = "nanjing"
city = "nanjing"
roles = ["data_centre"]
interface = [{ carrier = "telecom", ipv4 = "127.0.0.1" }]
[[site]]
name = "suzhou"
city = "suzhou"
external = true
roles = ["landmark"]
interface = [{ carrier = "telecom", ipv4 = "127.0.0.2" }]
[[mesh]]
name = "all"
stream = [{ protocol = "icmp", interval_ms = 50.0, timeout_ms = 100.0 }]
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "isochrone", *words]


async def isochrone(*words: str, stdin: bytes = b"") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command(*words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ISOCHRONE_LANG": "en"},
    )
    out, errors = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


@contextlib.asynccontextmanager
async def running(log: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command(*words), stderr=output, env={**os.environ, "ISOCHRONE_LANG": "en"}
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Site:
    """A controller's directory, an agent's directory, and what is asked of both."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, self.socket = path / "data", path / "c.sock"
        self.sites, self.config = path / "sites.toml", path / "agent.toml"
        self.sites.write_text(SITES, encoding="utf-8")
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self.url = f"https://127.0.0.1:{trial.getsockname()[1]}"

    def controller(self) -> Any:
        listens = ["--listen", self.url.removeprefix("https://"), "--listen", f"unix:{self.socket}"]
        sources = ["--sites", str(self.sites), "--data", str(self.data), "--window", "0.5"]
        return running(self.path / "c.log", "controller", "run", *sources, *listens)

    def agent(self) -> Any:
        return running(self.path / "a.log", "agent", "run", "--config", str(self.config))

    def begin(self) -> str:
        """Make the authority and the first admin token; return the token."""
        return create_authority(self.data, "127.0.0.1")

    def token(self) -> str:
        """Make a token to enrol as the command line does: beside the running controller."""
        return create_enrolment_token(self.data, "nanjing")

    async def enrol(self, token: str) -> tuple[int, str]:
        places = ["--config", str(self.config), "--state-dir", str(self.path / "state")]
        words = ("agent", "enrol", self.url, "--token-file", "-", *places)
        code, _, errors = await isochrone(*words, stdin=token.encode())
        return code, errors

    async def agents(self) -> dict[str, Any]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get("http://c/api/v1/agents") as answer:
                    return dict((await answer.json())["items"][0])
        return {"windows_stored": -1}  # it does not answer yet

    async def until_stored(self, more_than: int) -> int:
        async with asyncio.timeout(PATIENCE_S):
            stored = -1
            while stored <= more_than:
                await asyncio.sleep(0.1)  # what it waits for is another process
                stored = int((await self.agents())["windows_stored"])
            return stored

    async def until_said(self, name: str, words: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            said = ""
            while words not in said:
                await asyncio.sleep(0.05)
                said = self.said(name)

    def said(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    async def until_accounted(self) -> None:
        """Wait until all that the agent says to have made is stored, by its last word of itself."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                agent = await self.agents()
                totals = agent["health"]["totals"]
                assert totals["dropped"] == []
                if totals["made"]["windows"] == agent["windows_stored"]:
                    return
                await asyncio.sleep(0.1)  # what it waits for is another process


def arguments_of_all() -> str:
    """Return the command lines of every process of this machine that we may see."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


async def test_agent_is_enrolled_revoked_within_a_minute_and_enrolled_again_without_loss(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    admin = site.begin()
    async with site.controller():
        await site.until_stored(-1)
        first = site.token()
        code, errors = await site.enrol(first)
        assert code == 0, errors
        with site.config.open("a", encoding="utf-8") as file:
            file.write('[policy]\ndestinations = ["127.0.0.0/8"]\n')
        code, errors = await site.enrol(first)
        assert (code, errors.count("\n")) == (1, 1)
        assert "is used" in errors
        async with site.agent():
            await site.until_stored(0)
            secrets = [admin, first, first.split(".")[2], admin.split(".")[2]]
            assert not [secret for secret in secrets if secret in arguments_of_all()]
            assert (await isochrone("controller", "revoke", "--data", str(site.data), "nanjing"))[
                0
            ] == 0
            revoked_s = time.monotonic()
            await site.until_said("a.log", "refuses this agent's certificate")
            assert time.monotonic() - revoked_s < 60
            await asyncio.sleep(0.5)  # what had come before is stored
            stored = (await site.agents())["windows_stored"]
            await asyncio.sleep(1.5)  # the agent continues measuring; nothing of it is taken
            assert (await site.agents())["windows_stored"] == stored
        second = site.token()
        code, errors = await site.enrol(second)
        assert code == 0, errors
        async with site.agent():
            await site.until_stored(stored + 2)
        await site.until_accounted()
    for log in ("a.log", "c.log"):
        assert not [secret for secret in [*secrets, second] if secret in site.said(log)]


async def test_agent_that_is_not_enrolled_says_so_in_one_sentence(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.config.write_text(
        f'name = "nanjing"\ncontroller = "{site.url}"\nstate_dir = "{tmp_path}/state"\n',
        encoding="utf-8",
    )
    code, _, errors = await isochrone("agent", "run", "--config", str(site.config))
    assert (code, errors.count("\n")) == (1, 1)
    assert "not enrolled" in errors


class Copy(Site):
    """A machine that was cloned after its agent was enrolled."""

    def __init__(self, site: Site) -> None:
        self.__dict__.update(site.__dict__)
        self.config, self.state = site.path / "copy.toml", site.path / "copied"
        shutil.copytree(site.path / "state", self.state)
        text = site.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace(f"{site.path}/state", str(self.state)))

    def agent(self) -> Any:
        return running(self.path / "b.log", "agent", "run", "--config", str(self.config))

    async def doctor(self) -> dict[str, str]:
        return {one.check: one.status for one in await examine(self.config)}

    async def until_discarded(self, windows: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            discarded = 0
            while discarded < windows:
                await asyncio.sleep(0.1)  # what it waits for is another process
                health = (await self.agents())["health"] or {}
                dropped = health.get("totals", {}).get("dropped", ())
                twice = [one for one in dropped if one["reason"] == "measured_twice"]
                discarded = sum(one["counts"]["windows"] for one in twice)


async def intervals(site: Site) -> list[tuple[int, int]]:
    """Return (start_ns, end_ns) of the windows that are stored of the one stream, by time."""
    async with ApiClient(f"unix://{site.socket}") as api:
        stored = await read_stored(api)
    ends_ns = stored.start_ns + stored.duration_ns
    return sorted(zip(stored.start_ns.tolist(), ends_ns.tolist(), strict=True))


async def test_of_a_cloned_agent_nothing_is_stored_of_the_time_in_which_the_first_was(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    site.begin()
    async with site.controller():
        await site.until_stored(-1)
        code, errors = await site.enrol(site.token())
        assert code == 0, errors
        with site.config.open("a", encoding="utf-8") as file:
            file.write('[policy]\ndestinations = ["127.0.0.0/8"]\n')
        async with site.agent():
            await site.until_stored(0)  # it has a plan
        copy = Copy(site)
        async with site.agent() as first:
            await site.until_stored((await site.agents())["windows_stored"])
            first_boot = (await site.agents())["health"]["boot"]
            assert (await copy.doctor())["name"] == "warn"  # one is heard, and none runs here
            async with copy.agent():
                await site.until_said("b.log", "Another agent named nanjing is connected")
                assert (await copy.doctor())["name"] == "fail"
                stored = (await site.agents())["windows_stored"]
                await site.until_stored(stored + 4)
                other = (await site.agents())["duplicate"]
            assert other["boot"] != first_boot
            first.kill()
            await first.wait()
        assert (await site.agents())["health"]["boot"] == first_boot
        async with copy.agent():  # with what its last life measured in the spool
            await copy.until_discarded(4)
            assert (await site.agents())["health"]["boot"] not in (first_boot, other["boot"])
            await site.until_stored((await site.agents())["windows_stored"] + 2)
            assert (await copy.doctor())["name"] == "warn"
        kept = await intervals(site)
    assert not [(one, two) for one, two in pairwise(kept) if one[1] > two[0]]
    assert "measured at that time" in site.said("b.log")
