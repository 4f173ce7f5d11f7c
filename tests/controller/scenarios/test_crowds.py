"""Crowds that hold connections and say nothing, against a real controller with few descriptors."""

import asyncio
import contextlib
import os
import pathlib
import resource
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from agent.channel.link import open_session
from agent.identity.credentials import Credentials
from agent.identity.enrolment import enrol
from agent.identity.trust import Trust
from controller.access.certificate_authority import create_authority
from controller.access.credential_store import CredentialStore
from foundation.clock import SystemClock
from messages.enrolment import parse_enrolment_token
from messages.exchange import CHUNK_CONTENT_TYPE
from topology.mesh import plan_streams
from topology.site_file import load_network

DESCRIPTORS, CROWD = 256, 400
PATIENCE_S = 60.0  # a hang, not slowness
RUN = (
    "import controller.api.server.connections, isochrone;"
    "controller.api.server.connections.GRACE_S = 0.2; isochrone.main()"
)
HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
HALF_BODY = (
    b"POST /api/v1/enrolment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 900\r\n\r\n{"
)


class Served:
    """A controller's process, its URL, a token and an agent's directory."""

    def __init__(self, directory: pathlib.Path, sites: pathlib.Path) -> None:
        data = directory / "data"
        self.agents = directory / "agents"
        self.log = directory / "log"
        authority, clock = create_authority(data, ["127.0.0.1"], SystemClock()), SystemClock()
        with contextlib.closing(CredentialStore(data, clock)) as credentials:
            self.token, self.greedy = (
                credentials.create_api_token("viewer", label, None) for label in ("test", "greedy")
            )
            until_ns = clock.wall_ns() + 600 * 10**9
            self.enrolments = [
                parse_enrolment_token(
                    credentials.create_enrolment_token(name, authority.fingerprint, until_ns)
                )
                for name in ("nanjing", "suzhou")
            ]
        where = ["--sites", str(sites), "--data", str(data), "--listen", "127.0.0.1:0"]
        limits = (DESCRIPTORS, DESCRIPTORS)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", RUN, "controller", "run", *where],
                stderr=log,
                env={**os.environ, "ISOCHRONE_LANG": "en"},
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
            )

    async def wait(self, come: Callable[[], bool]) -> None:
        """Wait for something that the process does."""
        async with asyncio.timeout(PATIENCE_S):
            while not come():  # what it waits for is another process
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.05)

    async def wait_port(self) -> None:
        await self.wait(lambda: "listening on" in self.log.read_text())
        said = self.log.read_text()
        self.port = int(said.split("listening on 127.0.0.1:")[1].split()[0].strip('",}'))
        self.url = f"https://127.0.0.1:{self.port}"

    def descriptors(self) -> int:
        return sum(1 for _ in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir())


@pytest.fixture
def process(site_file: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Served]:
    served = Served(tmp_path, site_file)
    yield served
    served.process.terminate()
    assert served.process.wait(PATIENCE_S) == 0


class Crowd:
    """Connections that say `sent` and nothing more, held for as long as they are let."""

    def __init__(
        self,
        served: Served,
        sent: bytes | None,
        *,
        come_again: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._served, self._sent, self._come_again = served, sent, come_again
        self._came = 0
        self._is_there = asyncio.Event()
        if tls is None and sent is not None:  # with None the handshake is never begun
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        self._tls = tls

    async def _hold(self) -> None:
        with contextlib.suppress(OSError):
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._served.port, ssl=self._tls
                )
            finally:
                self._came += 1
                if self._came == CROWD:
                    self._is_there.set()
            try:
                writer.write(self._sent or b"")
                await reader.read()
            finally:
                writer.transport.abort()

    async def _hold_on(self) -> None:
        await self._hold()
        while self._come_again:
            await self._hold()

    @contextlib.asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        """Have them all come, and go at the end."""
        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(self._hold_on()) for _ in range(CROWD)]
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._is_there.wait()
                yield
            finally:
                for task in held:
                    task.cancel()


async def deliver(served: Served, trust: Trust, body: bytes) -> None:
    """Deliver a chunk over its own connection."""
    session, base = open_session(served.url, Credentials(trust).context)
    url, headers = f"{base}/api/v1/agents/nanjing/chunks", {"Content-Type": CHUNK_CONTENT_TYPE}
    async with session, session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def stored(served: Served, trust: Trust) -> int:
    """Ask as a person, with a token, how many windows are stored."""
    tls = ssl.create_default_context(cafile=trust.directory / "authority.pem")
    url, headers = f"{served.url}/api/v1/agents", {"Authorization": f"Bearer {served.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/readyz", ssl=tls) as ready,
        session.get(url, ssl=tls, headers=headers) as answer,
    ):
        assert ready.status == 200, await ready.text()
        assert answer.status == 200, await answer.text()
        agents = (await answer.json())["items"]
    return int(next(agent for agent in agents if agent["name"] == "nanjing")["windows_stored"])


async def until_through(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask as agents and people do: a connection that is cut (the machine stood still) again."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                return await ask()


def crowds(served: Served, other: Trust) -> dict[str, Crowd]:
    """Return who comes: strangers, then one token and one certificate that want everything."""
    asked = (
        f"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.greedy}\r\n\r\n"
    )
    return {
        "never begins the handshake": Crowd(served, None),
        "says nothing": Crowd(served, b""),
        "sends half a head": Crowd(served, HALF_HEAD),
        "sends half a body": Crowd(served, HALF_BODY),
        "comes again and again": Crowd(served, None, come_again=True),
        "has one token": Crowd(served, asked.encode()),
        "has one certificate": Crowd(served, b"", tls=Credentials(other).context),
    }


async def test_crowds_keep_neither_agents_nor_people_out(
    process: Served,
    site_file: pathlib.Path,
    batch_of: Callable[..., Any],
    chunk_of: Callable[..., bytes],
) -> None:
    await process.wait_port()
    trust, other = [
        await enrol(process.url, token, process.agents / token.agent)
        for token in process.enrolments
    ]
    stream = next(
        s for s in plan_streams(load_network(site_file)) if s.path.source.site == "nanjing"
    )
    now_ns, before = SystemClock().wall_ns(), process.descriptors()
    for sequence, (which, crowd) in enumerate(crowds(process, other).items()):
        async with crowd.there():
            batch = batch_of([stream.stream_id], now_ns - 10**10 * (9 - sequence))
            body = chunk_of(batch, agent="nanjing", sequence=sequence)
            await until_through(lambda body=body: deliver(process, trust, body))  # type: ignore[misc]
            assert await until_through(lambda: stored(process, trust)) == sequence + 1, which
            assert process.descriptors() < DESCRIPTORS * 3 // 4, which
        # The store's readers stay open.
        await process.wait(lambda: process.descriptors() <= before + 8)
    said = process.log.read_text()
    assert "made room for others" in said
    assert len(said.splitlines()) < 20
