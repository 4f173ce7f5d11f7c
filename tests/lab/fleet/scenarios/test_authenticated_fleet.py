"""Authenticated probes of a real fleet: two enrolled agents, a controller, real packets."""

import asyncio
import contextlib
import hmac
import itertools
import json
import os
import socket
import sqlite3
import stat
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.identity.enrolment import enrol
from agent.plan.file import KEYS_FILE, PLAN_FILE, load_keys
from controller.access.certificate_authority import create_authority, load_authority
from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring, pair_key
from foundation.clock import SystemClock
from messages.chunk import decode_chunk
from messages.enrolment import parse_enrolment_token
from messages.exchange import StampKeys
from probes.stamp.packet import SenderPacket, encode_sender
from probes.stamp.timestamps import wall_ns_to_ntp64

pytestmark = pytest.mark.network

PATIENCE_S = 180.0  # a hang, not slowness
LOST = ("forward", "backward", "unknown")
ADDRESSES = {"nanjing": "127.0.0.1", "suzhou": "127.0.0.2"}
SITES = """
[network]
name = "t"
title = { en = "T", zh = "试" }
"""
SITE = """
[[site]]
name = "{name}"
city = "{name}"
interface = [{{ carrier = "telecom", ipv4 = "{address}" }}]
"""
MESH = """
[[mesh]]
name = "all"
[[mesh.stream]]
protocol = "udp"
authenticated = true
interval_ms = 20.0
port = {port}
"""
POLICY = '[policy]\ndestinations = ["127.0.0.0/8"]\n'


@dataclass(frozen=True)
class Packet:
    """A UDP packet that was seen: from whom to whom, and its payload."""

    source: str
    source_port: int
    destination: str
    port: int
    payload: bytes


class Fleet:
    """The directories and processes of a controller and two agents on loopback."""

    def __init__(self, path: Path, tap: socket.socket) -> None:
        self.path, self.tap = path, tap
        self.data, self.socket = path / "data", path / "c.sock"
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            self.listen, self.port = f"127.0.0.1:{tcp.getsockname()[1]}", free_udp_port()
        sites = [SITE.format(name=name, address=where) for name, where in ADDRESSES.items()]
        text = SITES + "".join(sites) + MESH.format(port=self.port)
        (path / "sites.toml").write_text(text, encoding="utf-8")
        create_authority(self.data, ["127.0.0.1"], SystemClock())
        self.credentials = StampKeyring(self.data, SystemClock())

    async def enrol_all(self) -> None:
        for name in ADDRESSES:
            state = self.state_dir(name)
            with contextlib.closing(CredentialStore(self.data, SystemClock())) as credentials:
                until_ns = SystemClock().wall_ns() + 600 * 10**9
                fingerprint = load_authority(self.data, SystemClock()).fingerprint
                token = credentials.create_enrolment_token(name, fingerprint, until_ns)
            await enrol(f"https://{self.listen}", parse_enrolment_token(token), state)
            config = f'name = "{name}"\ncontroller = "https://{self.listen}"\n'
            config += f'state_dir = "{state}"\n{POLICY}'
            (self.path / f"{name}.toml").write_text(config, encoding="utf-8")

    def state_dir(self, name: str) -> Path:
        return self.path / "state" / name

    def controller(self) -> Any:
        listens = ["--listen", self.listen, "--listen", f"unix:{self.socket}"]
        sources = ["--sites", str(self.path / "sites.toml"), "--data", str(self.data)]
        return self.running("controller", "run", *sources, *listens, "--window", "0.5")

    def agent(self, name: str) -> Any:
        return self.running("agent", "run", "--config", str(self.path / f"{name}.toml"))

    @contextlib.asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        with (self.path / "log").open("ab") as log:
            process = await start(*words, stderr=log)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def agents(self) -> dict[str, dict[str, Any]]:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get("http://c/api/v1/agents") as answer:
                    items = (await answer.json())["items"]
                    return {item["name"]: item["health"] or {} for item in items}
        return {}

    async def until_answered(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self.agents():
                    return
                await asyncio.sleep(0.1)  # what it waits for is another process

    async def until_epoch(self, epoch: int, *names: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                known = await self.agents()
                if all(known.get(name, {}).get("stamp_epoch") == epoch for name in names):
                    return
                await asyncio.sleep(0.1)

    async def until_forged(self, name: str, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if (await self.agents())[name]["reflector"]["forged"] >= count:
                    return
                await asyncio.sleep(0.1)

    async def until_without_keys(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if not (self.state_dir(name) / KEYS_FILE).exists():
                    return
                await asyncio.sleep(0.1)

    def forget_packets(self) -> None:
        for _ in self.seen():
            pass

    def seen(self) -> Iterator[Packet]:
        """Yield the probes and answers that the tap has, until it has none."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = self.tap.recv(4096)[14:]
                if frame[:1] != b"\x45" or frame[9] != socket.IPPROTO_UDP:
                    continue
                ports = struct.unpack("!HH", frame[20:24])
                if self.port in ports:
                    ends = socket.inet_ntoa(frame[12:16]), socket.inet_ntoa(frame[16:20])
                    yield Packet(ends[0], ports[0], ends[1], ports[1], frame[28:])

    async def until_probed_under(self, epoch: int, *senders: str) -> None:
        """Wait until each sender has sent probes, and had answers, under its key of an epoch."""
        names = {address: name for name, address in ADDRESSES.items()}
        waiting = {(name, kind) for name in senders for kind in ("probe", "answer")}
        async with asyncio.timeout(PATIENCE_S):
            while waiting:
                await asyncio.sleep(0.05)
                for packet in self.seen():
                    # RFC 8762 §4.2.2 and §4.3.2, Follow-Up and HMAC TLVs of RFC 8972.
                    assert len(packet.payload) == 152
                    ends = names[packet.source], names[packet.destination]
                    kind = "probe" if packet.port == self.port else "answer"
                    sender, reflector = ends if kind == "probe" else ends[::-1]
                    key = pair_key(self.secret(epoch), sender, reflector)
                    digest = hmac.digest(key, packet.payload[:96], "sha256")[:16]
                    if digest == packet.payload[96:112]:
                        covered = packet.payload[:4] + packet.payload[112:132]
                        digest = hmac.digest(key, covered, "sha256")[:16]
                        assert digest == packet.payload[136:]
                        waiting.discard((sender, kind))

    def secret(self, epoch: int) -> bytes:
        self.credentials.refresh()
        return next(each.secret for each in self.credentials.epochs() if each.number == epoch)

    def keys(self, name: str) -> StampKeys:
        """Return what an agent keeps, which is for its owner alone."""
        path = self.state_dir(name) / KEYS_FILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        keys = load_keys(path)
        assert keys is not None
        plan = (self.state_dir(name) / PLAN_FILE).read_bytes()
        assert not [form for key in keys.probing.values() for form in shown(key) if form in plan]
        return keys

    def forge(self) -> None:
        """Ask as nobody who lacks nanjing's key may, from nanjing's address."""
        keys = self.keys("nanjing")
        own, others = keys.probing[ADDRESSES["suzhou"]], keys.answering[ADDRESSES["suzhou"]]
        for octets in (request(None), request(None).ljust(112, b"\0"), request(others[0])):
            assert not self.is_answered(octets, "nanjing", "suzhou")
        assert self.is_answered(request(own), "nanjing", "suzhou", wait_s=PATIENCE_S)
        self.forget_packets()

    async def command(self, *words: str) -> int:
        process = await start(*words, "--data", str(self.data), stderr=None)
        return await process.wait()

    def check_windows(self, until_ns: int) -> None:
        """See that all windows of both agents are there, each once, and that nothing in them is
        lost. Where the machine stood still for long there is no window between two."""
        rows = [row for row in self.windows() if row[2] <= until_ns]
        assert len({row[0] for row in rows}) == 2
        for before, after in itertools.pairwise(rows):
            assert before[0] != after[0] or before[2] <= after[1]
        assert sum(row[3] for row in rows) > 0
        assert sum(row[4] for row in rows) == 0
        numbers: dict[str, list[int]] = {}
        with contextlib.closing(sqlite3.connect(self.data / "isochrone.db")) as db:
            asked = (
                "SELECT agent, sequence FROM chunks WHERE start_ns + duration_ns <= ? ORDER BY 2"
            )
            for agent, sequence in db.execute(asked, (until_ns,)):
                numbers.setdefault(agent, []).append(sequence)
        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())

    def windows(self) -> list[tuple[int, int, int, int, int]]:
        """Return (stream, start, end, sent, lost) of all stored windows, in order."""
        rows = []
        with contextlib.closing(sqlite3.connect(self.data / "isochrone.db")) as db:
            for (payload,) in db.execute("SELECT payload FROM chunks"):
                batch = decode_chunk(payload).batch
                end_ns = batch.start_ns + batch.duration_ns
                lost = sum(batch.counters[f"lost_{where}"] for where in LOST)
                for row, stream in enumerate(batch.stream_id.tolist()):
                    counts = int(batch.counters["sent"][row]), int(lost[row])
                    rows.append((stream, batch.start_ns, end_ns, *counts))
        return sorted(rows)

    def is_answered(self, octets: bytes, source: str, to: str, wait_s: float = 0.3) -> bool:
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.bind((ADDRESSES[source], 0))
            sender.settimeout(wait_s)
            sender.sendto(octets, (ADDRESSES[to], self.port))
            with contextlib.suppress(TimeoutError):
                return bool(sender.recv(4096))
        return False


def free_udp_port() -> int:
    """Return a port that is free everywhere and stays so: the kernel gives it to nobody who asks
    for any, as it does with those from 32768 on."""
    for port in itertools.count(20_000 + os.getpid() % 10_000):
        with socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            udp.bind(("0.0.0.0", port))
            return port
    raise AssertionError("there is an end to ports, not to counting")


async def start(*words: str, stderr: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "isochrone", *words),
        stderr=stderr,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "ISOCHRONE_LANG": "en"},
    )


def request(key: bytes | None) -> bytes:
    t1 = wall_ns_to_ntp64(time.time_ns())
    return encode_sender(SenderPacket(sequence=1, t1=t1, error_estimate=0x8EC8), key)


def shown(secret: bytes) -> list[bytes]:
    """Return a secret in every form that it could be shown in."""
    return [secret, secret.hex().encode(), msgspec.json.encode(secret).strip(b'"')]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    except PermissionError:
        pytest.skip("needs CAP_NET_RAW to see packets: run as root, or setcap cap_net_raw+ep")
    with contextlib.closing(tap):
        tap.bind(("lo", 0))
        tap.setblocking(False)
        made = Fleet(tmp_path, tap)
        yield made
        made.credentials.close()


def arguments_of_all() -> bytes:
    """Return the command lines and environments of every process that we may see."""
    found = []
    for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return b"\n".join(found)


async def test_authenticated_fleet_loses_nothing_to_a_rotation_and_shuts_out_who_is_revoked(
    fleet: Fleet,
) -> None:
    async with contextlib.AsyncExitStack() as running:
        await running.enter_async_context(fleet.controller())
        await fleet.until_answered()
        await fleet.enrol_all()
        nanjing = await running.enter_async_context(fleet.agent("nanjing"))
        await running.enter_async_context(fleet.agent("suzhou"))
        await fleet.until_probed_under(1, *ADDRESSES)
        fleet.forge()
        assert await fleet.command("controller", "stamp-keys", "rotate") == 0
        await fleet.until_probed_under(2, *ADDRESSES)
        until_ns = time.time_ns()
        said = arguments_of_all() + json.dumps(await fleet.agents()).encode()
        kept = fleet.keys("nanjing").probing[ADDRESSES["suzhou"]]
        assert await fleet.command("controller", "revoke", "nanjing") == 0
        await fleet.until_epoch(3, "suzhou")
        assert not fleet.is_answered(request(kept), "nanjing", "suzhou")
        await fleet.until_without_keys("nanjing")
        await fleet.until_forged("suzhou", 4)
        nanjing.kill()  # nobody takes what it still has
    fleet.check_windows(until_ns)
    fleet.credentials.refresh()
    said += (fleet.path / "log").read_bytes()
    for epoch in fleet.credentials.epochs():
        pairs = [("nanjing", "suzhou"), ("suzhou", "nanjing")]
        for secret in (epoch.secret, *(pair_key(epoch.secret, *pair) for pair in pairs)):
            assert not [form for form in shown(secret) if form in said]
