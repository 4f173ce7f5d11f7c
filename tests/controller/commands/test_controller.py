"""The real command in a real process: it is killed, starved of disk and given wrong arguments."""

import asyncio
import contextlib
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from controller.access.certificate_authority import create_authority
from foundation.clock import SystemClock
from messages.chunk import decode_chunk
from messages.exchange import CHUNK_CONTENT_TYPE
from topology.mesh import plan_streams
from topology.site_file import load_network

DEADLINE_S = 120.0  # a hang, not slowness
AGENT = "nanjing"
CHUNKS = f"http://c/api/v1/agents/{AGENT}/chunks"
HEADERS = {"Content-Type": CHUNK_CONTENT_TYPE}
KILL_AFTER = 40  # acknowledgements
NEWCOMER = """
[[site]]
name = "newcomer"
city = "suzhou"
external = true
roles = ["landmark"]
interface = [{ carrier = "telecom", ipv4 = "198.18.9.9" }]
"""


def command(sites: pathlib.Path, data: pathlib.Path, listen: str) -> list[str]:
    arguments = ["--sites", str(sites), "--data", str(data), "--listen", listen]
    return [sys.executable, "-P", "-m", "isochrone", "controller", "run", *arguments]


class Process:
    """A controller process on a unix socket, which may be killed and started again."""

    def __init__(self, sites: pathlib.Path, directory: pathlib.Path) -> None:
        self.data = directory / "data"
        self.socket = directory / "c.sock"
        self.command = command(sites, self.data, f"unix:{self.socket}")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        environment = os.environ | {"ISOCHRONE_LANG": "en"}
        self._process = await asyncio.to_thread(
            subprocess.Popen, self.command, stderr=subprocess.PIPE, env=environment
        )
        deadline_s = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with self.session() as client, client.get("http://c/healthz") as answer:
                    assert answer.status == 200
                    return
            assert self._process.poll() is None, self._process.stderr
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.02)

    def stop(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE_S)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None
        return code

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(self.socket)))

    async def get(self, path: str) -> Any:
        async with self.session() as client, client.get(f"http://c{path}") as answer:
            return await answer.json()

    def wait_until_said(self, words: bytes) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if words in line:
                return
        pytest.fail(f"it ended without saying {words!r}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None


@pytest.fixture
async def process(site_file: pathlib.Path, tmp_path: pathlib.Path) -> AsyncIterator[Process]:
    made = Process(site_file, tmp_path)
    await made.start()
    yield made
    if made.running:
        made.stop(signal.SIGKILL)


@pytest.fixture
def bodies(
    site_file: pathlib.Path, batch_of: Callable[..., Any], chunk_of: Callable[..., bytes]
) -> list[bytes]:
    """A hundred and fifty chunks of one agent, the newest of now."""
    streams = plan_streams(load_network(site_file))
    ids = [stream.stream_id for stream in streams if stream.path.source.site == AGENT]
    second = 1_000_000_000
    start_ns = time.time_ns() // (10 * second) * 10 * second - 2000 * second
    return [
        chunk_of(batch_of(ids, start_ns + i * 10 * second), agent=AGENT, sequence=i)
        for i in range(150)
    ]


async def deliver(process: Process, bodies: dict[int, bytes]) -> set[int]:
    """Post chunks until the controller goes away; return the sequences it acknowledged."""
    acknowledged: set[int] = set()
    async with process.session() as client:

        async def post(body: bytes) -> None:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with client.post(CHUNKS, data=body, headers=HEADERS) as answer:
                    if answer.status == 200:
                        acknowledged.add((await answer.json())["sequence"])
                        if process.running and len(acknowledged) == KILL_AFTER:
                            process.stop(signal.SIGKILL)

        async with asyncio.TaskGroup() as tasks:
            for body in bodies.values():
                tasks.create_task(post(body))
    return acknowledged


async def test_kill_9_loses_nothing_and_doubles_nothing(
    process: Process, bodies: list[bytes]
) -> None:
    streams_of_agent = decode_chunk(bodies[0]).batch.rows
    waiting = dict(enumerate(bodies))
    lives = 0
    while waiting:
        if not process.running:
            await process.start()
        # Never all at once: on a quick machine one life would store whatever it is given.
        offered = dict(itertools.islice(waiting.items(), KILL_AFTER * 3 // 2))
        acknowledged = await deliver(process, offered)
        waiting = {i: body for i, body in waiting.items() if i not in acknowledged}
        lives += 1
        assert lives < 20
    assert lives > 2  # it was killed at least twice
    if not process.running:
        await process.start()
    agent = (await process.get("/api/v1/agents"))["items"][0]
    assert agent["windows_stored"] == len(bodies) * streams_of_agent
    path = (await process.get("/api/v1/paths"))["items"][0]["id"]
    windows = await process.get(f"/api/v1/windows?path={path}&protocol=icmp&limit=1000")
    starts = [item["start_ns"] for item in windows["items"]]
    assert len(starts) == len(set(starts)) == len(bodies)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_stops_it_gracefully(process: Process, number: int) -> None:
    async with process.session() as client, client.ws_connect("http://c/api/v1/events") as events:
        await events.receive_json()
        async with asyncio.TaskGroup() as tasks:
            code = tasks.create_task(asyncio.to_thread(process.stop, number))
            while not (await events.receive()).type.name.startswith("CLOS"):
                pass
    assert code.result() == 0


def append(file: pathlib.Path, text: str, instead_of: str = "") -> None:
    before = file.read_text(encoding="utf-8")
    file.write_text(before.removesuffix(instead_of) + text, encoding="utf-8")


async def test_hangup_begins_anew_with_the_site_file_and_a_broken_one_changes_nothing(
    process: Process, site_file: pathlib.Path, bodies: list[bytes]
) -> None:
    await deliver(process, dict(enumerate(bodies[:5])))
    pid = process.pid
    began_ns = (await process.get("/api/v1/health"))["started_ns"]
    await asyncio.to_thread(append, site_file, "\n[network\n")
    os.kill(pid, signal.SIGHUP)
    await asyncio.to_thread(process.wait_until_said, b"keeps using the previous site file")
    assert (await process.get("/api/v1/health"))["started_ns"] == began_ns
    await asyncio.to_thread(append, site_file, NEWCOMER, instead_of="\n[network\n")
    os.kill(pid, signal.SIGHUP)
    await asyncio.to_thread(process.wait_until_said, b"starting afresh")
    await asyncio.to_thread(process.wait_until_said, b"listening on")
    assert (await process.get("/api/v1/health"))["started_ns"] > began_ns
    sites = {site["name"] for site in (await process.get("/api/v1/sites"))["items"]}
    assert "newcomer" in sites
    agents = {one["name"]: one for one in (await process.get("/api/v1/agents"))["items"]}
    assert agents[AGENT]["windows_stored"] == 5 * decode_chunk(bodies[0]).batch.rows
    assert process.pid == pid


async def test_stale_socket_file_of_a_killed_controller_is_no_obstacle(process: Process) -> None:
    process.stop(signal.SIGKILL)
    assert process.socket.exists()
    await process.start()


def refused(arguments: list[str], language: str = "en") -> str:
    """Run the command, which must end with exit code 1 and one sentence; return that."""
    environment = os.environ | {"ISOCHRONE_LANG": language}
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_port_in_use_is_one_sentence_in_the_users_language(
    site_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    create_authority(tmp_path / "d", ["localhost"], SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        message = refused(command(site_file, tmp_path / "d", listen), "zh")
    assert "已被其他进程占用" in message
    assert listen in message


async def test_unix_socket_in_use_is_one_sentence(
    process: Process, site_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    arguments = command(site_file, tmp_path / "other", f"unix:{process.socket}")
    assert "is in use" in await asyncio.to_thread(refused, arguments)


def test_broken_site_file_is_named(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[network\n")
    assert "broken.toml" in refused(command(broken, tmp_path / "d", "127.0.0.1:0"))


def test_unwritable_data_directory_is_named(
    site_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").write_text("")
    message = refused(command(site_file, tmp_path / "file" / "data", "127.0.0.1:0"))
    assert "--data" in message


def test_tcp_without_an_authority_is_refused_with_the_remedy(
    site_file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert "controller init" in refused(command(site_file, tmp_path / "d", "127.0.0.1:0"))


@pytest.mark.network
async def test_full_disk_is_answered_503_and_goes_on_when_there_is_space(
    site_file: pathlib.Path, tmp_path: pathlib.Path, bodies: list[bytes]
) -> None:
    small = tmp_path / "data"
    small.mkdir()
    # A file system of 1.5 MiB that only this controller sees: in its own mount namespace.
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=1536k tmpfs {small}"
    tried = await asyncio.to_thread(subprocess.run, [*inside, mount], capture_output=True)
    if tried.returncode:
        pytest.skip(f"needs a mount namespace, so root or user namespaces: {tried.stderr!r}")
    process = Process(site_file, tmp_path)
    process.command = [*inside, f'{mount} && exec "$@"', "sh", *process.command]
    await process.start()
    ballast = pathlib.Path(f"/proc/{process.pid}/root{small}/ballast")
    try:
        await asyncio.to_thread(_fill_up, ballast)
        async with process.session() as client:
            await _post_until_full(client, bodies)
            assert (await process.get("/api/v1/health"))["store"]["state"] == "full"
            await asyncio.to_thread(ballast.unlink)
            async with client.post(CHUNKS, data=bodies[-1], headers=HEADERS) as response:
                assert response.status == 200
        assert (await process.get("/api/v1/health"))["store"]["state"] == "ok"
    finally:
        process.stop(signal.SIGTERM)


def _fill_up(ballast: pathlib.Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def _post_until_full(client: aiohttp.ClientSession, bodies: list[bytes]) -> None:
    for body in bodies:
        async with client.post(CHUNKS, data=body, headers=HEADERS) as response:
            if response.status == 200:
                continue
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "store_full"
            return
    pytest.fail("the disk never filled")
