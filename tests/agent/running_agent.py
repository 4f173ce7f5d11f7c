"""An agent as a process, and a controller that it speaks with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiohttp import web

from messages.chunk import Chunk, decode_chunk
from messages.exchange import (
    Curtailed,
    Health,
    HealthReport,
    Hello,
    Plan,
    PlanPush,
    Refusal,
    Totals,
)
from probes.stream import StreamSpec, TypeP

PLAN = Plan(
    version=5,
    agent="a1",
    window_ms=200,
    streams=(
        StreamSpec(
            stream_id=7,
            destination="127.0.0.1",
            type_p=TypeP(protocol="icmp", ip_version=4),
            interval_ms=20,
            timeout_ms=10_000,  # the kernel answers; who waits long has stood still
        ),
    ),
)


@dataclass
class Controller:
    """A controller on a unix socket that takes every chunk, and notes what it hears."""

    plan: Plan = PLAN
    chunks: list[Chunk] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)
    curtailed: list[Curtailed] = field(default_factory=list)
    failing: bool = False
    refusal: Refusal | None = None  # to whoever says Hello
    agents: list[web.WebSocketResponse] = field(default_factory=list)  # connected now

    async def control(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.agents.append(socket)
        try:
            await self._listen(socket)
        finally:
            self.agents.remove(socket)
        return socket

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            said = msgspec.json.decode(message.data, type=Hello | HealthReport | Curtailed)
            if isinstance(said, Curtailed):
                self.curtailed.append(said)
                continue
            self.health.append(said.health)
            if isinstance(said, Hello) and self.refusal is not None:
                await socket.send_str(msgspec.json.encode(self.refusal).decode())
                await socket.close()
                return
            if isinstance(said, Hello):
                await self.push(socket)

    async def push(self, socket: web.WebSocketResponse) -> None:
        await socket.send_str(msgspec.json.encode(PlanPush(plan=self.plan)).decode())

    async def wait_until_curtailed(self, by_how_many: int) -> None:
        """Wait until the agent reports so many streams. It does every few seconds, and whenever
        it is given a plan: so it is given its plan again."""
        async with asyncio.timeout(120):
            while not self.curtailed or len(self.curtailed[-1].streams) != by_how_many:
                for socket in tuple(self.agents):
                    await self.push(socket)
                await asyncio.sleep(0.2)

    async def take(self, request: web.Request) -> web.Response:
        chunk = decode_chunk(await request.read())
        if self.failing:
            return web.Response(status=503)
        self.chunks.append(chunk)
        return web.json_response({"sequence": chunk.sequence})


@contextlib.asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Controller]:
    """Serve on `c.sock` of the directory."""
    controller = Controller()
    app = web.Application()
    app.router.add_get("/api/v1/agents/a1/control", controller.control)
    app.router.add_post("/api/v1/agents/a1/chunks", controller.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, tmp_path / "c.sock").start()
    yield controller
    await runner.cleanup()


async def start(
    tmp_path: Path,
    extra: str = "",
    options: tuple[str, ...] = (),
    controller_url: str | None = None,
    before: tuple[str, ...] = (),
    policy: str = "",
) -> asyncio.subprocess.Process:
    config = tmp_path / "agent.toml"
    url = controller_url or f"unix://{tmp_path}/c.sock"
    config.write_text(
        f'name = "a1"\ncontroller = "{url}"\nstate_dir = "{tmp_path}/state"\n'
        + extra
        + f'[policy]\ndestinations = ["127.0.0.0/8"]\n{policy}',
        encoding="utf-8",
    )
    return await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-P",
        "-m",
        "isochrone",
        "agent",
        "run",
        "--config",
        str(config),
        *options,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LANG": "C.UTF-8", "ISOCHRONE_LANG": "en"},
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):  # a hang, not slowness
        while not condition():  # noqa: ASYNC110 (what it waits for is another process)
            await asyncio.sleep(0.02)


async def stop(process: asyncio.subprocess.Process, number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


def without_send_lag(errors: str) -> str:
    """Return what the agent said of itself: that the machine stood still is not its fault."""
    return "".join(
        line
        for line in errors.splitlines(keepends=True)
        if "is the machine overloaded?" not in line
    )


def stored_probes(controller: Controller) -> int:
    """Return the probes in all chunks, each counted once."""
    each = {(chunk.boot, chunk.sequence): chunk for chunk in controller.chunks}
    return sum(int(chunk.batch.counters["sent"].sum()) for chunk in each.values())


def last_totals(controller: Controller) -> Totals:
    """Return the counters that the agent told last."""
    totals = controller.health[-1].totals
    assert totals is not None
    return totals
