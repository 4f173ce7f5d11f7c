"""A whole agent to be weighed: `isochrone agent run` with a plan, and a controller that listens."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent.plan.file import save_plan
from bench.accounting import Program
from bench.hosts import targets
from lab.fleet.children import isochrone_command, python_command
from messages.exchange import Plan
from probes.stream import StreamSpec, TypeP

NAME = "bench"
WINDOW_MS = 5_000

_CONTROLLER = """
import sys
from aiohttp import WSMsgType, web
from messages.chunk import decode_chunk

async def chunks(request):
    chunk = decode_chunk(await request.read())
    return web.json_response({"sequence": chunk.sequence, "duplicate": False})

async def control(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        pass
    return socket

async def listening(_):
    print("ready", flush=True)

app = web.Application(client_max_size=1 << 26)
app.router.add_post("/api/v1/agents/bench/chunks", chunks)
app.router.add_get("/api/v1/agents/bench/control", control)
app.on_startup.append(listening)
web.run_app(app, path=sys.argv[1], print=None)
"""


@contextlib.contextmanager
def controller(directory: Path) -> Iterator[str]:
    """Have a controller take chunks and hold the control channel; gives its address."""
    path = directory / "controller.sock"
    program = Program(*python_command("-c", _CONTROLLER, str(path)))
    assert program.line() == b"ready\n"
    try:
        yield f"unix://{path}"
    finally:
        program.end(15)


@contextlib.contextmanager
def as_installed(cache: Path) -> Iterator[None]:
    """Let programs keep their bytecode in a directory, which installed ones bring along."""
    before = dict(os.environ)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(cache)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def furnish_agent(directory: Path, streams: int, controller_url: str) -> Path:
    """Make the state of an agent that has a plan: so many ICMP streams, a probe a second each.

    Returns its configuration.
    """
    state = directory / f"state-{streams}-{len(list(directory.iterdir()))}"
    state.mkdir()
    config = state / "agent.toml"
    config.write_text(
        f'name = "{NAME}"\ncontroller = "{controller_url}"\nstate_dir = "{state}"\n',
        encoding="utf-8",
    )
    kind = TypeP(protocol="icmp", ip_version=4)
    plan = Plan(
        version=1,
        agent=NAME,
        window_ms=WINDOW_MS,
        streams=tuple(
            StreamSpec(stream_id=number, destination=target, type_p=kind)
            for number, target in enumerate(targets(streams))
        ),
    )
    save_plan(state / "plan.json", plan)
    return config


def start_agent(config: Path) -> Program:
    """Start an agent."""
    return Program(*isochrone_command("agent", "run", "--config", str(config)))
