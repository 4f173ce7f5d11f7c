"""Authenticated probes of a real fleet: two enrolled agents, a controller, real packets."""

import asyncio
import contextlib
import hmac
import itertools
import json
import os
import socket
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

from agent.plan.file import KEYS_FILE, PLAN_FILE, load_keys
from controller.access.stamp_keyring import StampKeyring, pair_key
from foundation.clock import SystemClock
from lab.fleet.api_client import ApiClient
from lab.fleet.owner_commands import create_authority, create_enrolment_token, enrol_agent
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


@dataclass(frozen=True)
class Window:
    """A window of a stream that the controller has stored."""

    stream: str
    start_ns: int
    end_ns: int
    source: str
    sent: int
    lost: int
    received_ns: int


def window_of(source: str, told: dict[str, Any]) -> Window:
    return Window(
        stream=told["stream_id"],
        start_ns=told["start_ns"],
        end_ns=told["start_ns"] + told["duration_ns"],
        source=source,
        sent=told["sent"],
        lost=sum(told[f"lost_{where}"] for where in LOST),
        received_ns=told["received_ns"],
    )


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
        create_authority(self.data, "127.0.0.1")
        # No door gives the secrets out, and who looks whether any was shown must know them.
        self.secrets = StampKeyring(self.data, SystemClock())

    async def enrol_all(self) -> None:
        for name in ADDRESSES:
            state = self.state_dir(name)
            config = f'name = "{name}"\ncontroller = "https://{self.listen}"\n'
            config += f'state_dir = "{state}"\n{POLICY}'
            place = self.path / f"{name}.toml"
            place.write_text(config, encoding="utf-8")
            token = create_enrolment_token(self.data, name)
            await asyncio.to_thread(enrol_agent, f"https://{self.listen}", token, place, state)

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
        self.secrets.refresh()
        return next(each.secret for each in self.secrets.epochs() if each.number == epoch)

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

    async def check_windows(self, until_ns: int) -> None:
        """See that the windows of both agents are there, each once, that no probe in them is lost,
        and none of them. Where the machine stood still for long there is no window between two."""
        windows = await self.windows()
        rows = [row for row in windows if row.end_ns <= until_ns]
        assert len({row.stream for row in rows}) == 2
        for before, after in itertools.pairwise(rows):
            assert before.stream != after.stream or before.end_ns <= after.start_ns
        assert sum(row.sent for row in rows) > 0
        assert sum(row.lost for row in rows) == 0

    async def until_accounted(self, name: str) -> None:
        """Wait until what an agent said to have been taken is what was stored by then."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                health = (await self.agents())[name]
                totals, told_ns = health["totals"], health["sent_ns"]
                assert totals["dropped"] == []
                own = [row for row in await self.windows() if row.source == name]
                stored = sum(row.received_ns <= told_ns for row in own)
                if 0 < totals["made"]["windows"] - totals["waiting"].get("windows", 0) <= stored:
                    return
                await asyncio.sleep(0.5)  # one was made and not yet kept as it spoke

    async def windows(self) -> list[Window]:
        """Return all stored windows as the API reports them, by stream and time."""
        rows = []
        async with ApiClient(f"unix://{self.socket}") as api:
            for path in await api.items("paths", whole=True):
                found = await api.items("windows", whole=True, path=path["id"])
                rows += [window_of(path["source"]["site"], window) for window in found]
        return sorted(rows, key=lambda row: (row.stream, row.start_ns))

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
        made.secrets.close()


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
        for name in ADDRESSES:
            await fleet.until_accounted(name)
        said = arguments_of_all() + json.dumps(await fleet.agents()).encode()
        kept = fleet.keys("nanjing").probing[ADDRESSES["suzhou"]]
        assert await fleet.command("controller", "revoke", "nanjing") == 0
        await fleet.until_epoch(3, "suzhou")
        assert not fleet.is_answered(request(kept), "nanjing", "suzhou")
        await fleet.until_without_keys("nanjing")
        await fleet.until_forged("suzhou", 4)
        nanjing.kill()  # nobody takes what it still has
        await fleet.check_windows(until_ns)
    fleet.secrets.refresh()
    said += (fleet.path / "log").read_bytes()
    for epoch in fleet.secrets.epochs():
        pairs = [("nanjing", "suzhou"), ("suzhou", "nanjing")]
        for secret in (epoch.secret, *(pair_key(epoch.secret, *pair) for pair in pairs)):
            assert not [form for form in shown(secret) if form in said]
