"""What the controller's tests share: windows made by hand, small networks, real stores."""

import dataclasses
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from controller.access.certificate_authority import create_authority
from controller.api.application import make_app
from controller.api.server.addresses import parse_listen
from controller.api.services import Services
from controller.fleet.silences import UNCONFIRMED
from controller.serving.assembly import open_services
from controller.serving.service import tls_context
from controller.settings import Settings
from controller.store.interface import Store
from controller.store.sqlite.engine import open_store
from foundation.clock import SystemClock
from messages.chunk import encode_windows
from messages.exchange import CHUNK_CONTENT_TYPE
from probes.histogram import Histograms
from probes.window import COUNTERS, DISTRIBUTIONS, MEASURES, TIMESTAMPING, FlowColumns, WindowBatch
from topology.site_file import load_network

WINDOW_NS = 10_000_000_000
BOOT = "00c0ffee00c0ffee"


def batch_of(
    stream_ids: list[int],
    start_ns: int,
    *,
    rtt_ns: float = 4_000_000.0,
    forward_ns: float | None = 2_000_000.0,
    sent: int = 10,
    lost: int = 0,
    clock_bound_ns: float = 1_000.0,
    suspect: bool = False,
    duration_ns: int = WINDOW_NS,
) -> WindowBatch:
    """Return one window per stream: `sent - lost` round trips of `rtt_ns`, all in one flow."""
    n, received = len(stream_ids), sent - lost
    counters = {name: np.zeros(n, np.uint32) for name in COUNTERS}
    counters["sent"][:], counters["received"][:], counters["lost_unknown"][:] = sent, received, lost
    measures = {name: np.full(n, np.nan) for name in MEASURES}
    distributions = {name: Histograms.empty(n) for name in DISTRIBUTIONS}
    delays = {"rtt": rtt_ns, "forward": forward_ns}
    if forward_ns is not None:
        delays["backward"] = rtt_ns - forward_ns
        measures["clock_bound_ns"][:] = clock_bound_ns
    for name, delay_ns in delays.items():
        if delay_ns is None or not received:
            continue
        for end in ("min", "mean", "max"):
            measures[f"{name}_{end}_ns"][:] = delay_ns
        row = np.repeat(np.arange(n), received)
        distributions[name] = Histograms.from_samples(row, np.full(len(row), delay_ns), n)
    return WindowBatch(
        start_ns=start_ns,
        duration_ns=duration_ns,
        stream_id=np.array(stream_ids, np.uint64),
        counters=counters,
        measures=measures,
        distributions=distributions,
        timestamping=np.full(n, TIMESTAMPING.index("kernel") if received else 0, np.uint8),
        suspect=np.full(n, suspect),
        flows=FlowColumns(
            indptr=np.arange(n + 1),
            flow=np.zeros(n, np.uint16),
            sent=np.full(n, sent, np.uint32),
            lost=np.full(n, lost, np.uint32),
            rtt_p50_ns=np.full(n, rtt_ns if received else np.nan),
        ),
    )


def chunk_of(
    batch: WindowBatch, *, agent: str, sequence: int, boot: str = BOOT, plan_version: int = 1
) -> bytes:
    """Return a batch as the body of a POST."""
    return encode_windows(
        batch, agent=agent, boot=boot, sequence=sequence, plan_version=plan_version
    )


SITES = """
[network]
name = "trial"
title = { en = "Trial", zh = "试验" }
presets = ["jiangsu"]

[[site]]
name = "nanjing"
city = "nanjing"
roles = ["data_centre"]
important = true
interface = [
    { carrier = "telecom", ipv4 = "192.0.2.1", ipv6 = "2001:db8::1" },
    { carrier = "unicom", ipv4 = "198.51.100.1" },
]

[[site]]
name = "suzhou"
city = "suzhou"
roles = ["data_centre"]
important = true
interface = [{ carrier = "telecom", ipv4 = "192.0.2.2", ipv6 = "2001:db8::2" }]

[[site]]
name = "router"
city = "wuxi"
external = true
roles = ["landmark"]
interface = [{ carrier = "telecom", ipv4 = "192.0.2.3" }]

[[mesh]]
name = "all"
stream = [
    { protocol = "udp", port = 8620, destinations = "agents" },
    { protocol = "icmp" },
]
"""


def confirm_long_ago(services: Services) -> None:
    """Let all agents have told, an hour ago, that they answer whom they are asked to answer."""
    hour_ns = 3_600_000_000_000
    records = [
        dataclasses.replace(one, from_ns=one.from_ns - hour_ns, to_ns=one.from_ns - hour_ns)
        for one in services.silences.now.records.values()
        if one.to_ns is None and one.rule == UNCONFIRMED
    ]
    services.silences.put(records)
    services.store.silences.put(records).result()


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns - 1_700_000_000_000_000_000

    def wall_ns(self) -> int:
        return self.now_ns


class Controller:
    """A controller served on a unix socket, and a client of it."""

    def __init__(self, services: Services, session: aiohttp.ClientSession) -> None:
        self.services = services
        self.session = session

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(f"http://controller{path}") as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def deliver(self, agent: str, body: bytes, status: int = 200) -> Any:
        async with self.session.post(
            f"http://controller/api/v1/agents/{agent}/chunks",
            data=body,
            headers={"Content-Type": CHUNK_CONTENT_TYPE},
        ) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def judge(self) -> None:
        await self.services.rounds.make()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def sites_text() -> str:
    return SITES


@pytest.fixture
def site_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "trial.toml"
    path.write_text(SITES, encoding="utf-8")
    return path


@pytest.fixture
def open_controller(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: SetClock
) -> Callable[[], AbstractAsyncContextManager[Controller]]:
    """Return a context manager that serves a controller: each use a new life on the same data."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[Controller]:
        services = open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
        confirm_long_ago(services)
        runner = web.AppRunner(make_app(services))
        await runner.setup()
        socket = tmp_path / "api.sock"
        await web.UnixSite(runner, socket).start()
        try:
            connector = aiohttp.UnixConnector(path=str(socket))
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Controller(services, session)
        finally:
            await runner.cleanup()
            services.close()

    return serve


@pytest.fixture
async def controller(
    open_controller: Callable[[], AbstractAsyncContextManager[Controller]],
) -> AsyncIterator[Controller]:
    async with open_controller() as served:
        yield served


@pytest.fixture
async def measured(controller: Controller) -> Controller:
    """A controller that holds three windows of each of nanjing's UDP streams, one wholly lost."""
    ids = [
        stream.stream_id
        for stream in controller.services.rounds.scope.streams
        if stream.path.source.site == "nanjing" and stream.type_p.protocol == "udp"
    ]
    now_ns = controller.services.clock.wall_ns()
    for i, lost in enumerate((0, 10, 5)):
        batch = batch_of(ids, now_ns - (3 - i) * WINDOW_NS, lost=lost)
        body = chunk_of(batch, agent="nanjing", sequence=i, plan_version=7 + i)
        await controller.deliver("nanjing", body)
    return controller


@pytest.fixture(name="batch_of", scope="session")
def _batch_of() -> Callable[..., WindowBatch]:
    return batch_of


@pytest.fixture(name="chunk_of", scope="session")
def _chunk_of() -> Callable[..., bytes]:
    return chunk_of


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
async def served(
    open_controller: Callable[[], AbstractAsyncContextManager[Controller]],
    tmp_path: pathlib.Path,
    clock: SetClock,
) -> AsyncIterator[Any]:
    """(services, authority, URL) of a controller over TLS; its clock is set to the system's."""
    create_authority(tmp_path / "life", ["127.0.0.1"], SystemClock())
    clock.now_ns = SystemClock().wall_ns()
    async with open_controller() as controller:
        services = controller.services
        runner = web.AppRunner(make_app(services), shutdown_timeout=0.1, auto_decompress=False)
        await runner.setup()
        context = tls_context([parse_listen("127.0.0.1:0")], services)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield services, services.authority, f"https://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()
