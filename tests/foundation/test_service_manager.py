"""What systemd is told, through a real datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from foundation.service_manager import ALIVE, READY, Heartbeat, notify_manager

PLACES = ["path", "abstract"]


@contextlib.contextmanager
def manager(place: str, tmp_path: pathlib.Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if place == "path" else f"@isochrone-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name[0] == "@" else name)
        sock.settimeout(60)
        yield sock, name


@pytest.mark.parametrize("place", PLACES)
def test_manager_is_told(
    place: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with manager(place, tmp_path) as (sock, name):
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify_manager(READY)
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@nobody-listens-here"])
def test_where_nobody_listens_nothing_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify_manager(READY)


async def test_service_tells_that_it_lives_while_it_does(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with manager("path", tmp_path) as (sock, name):
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "30000")
        lives = [True, False, True]
        sock.setblocking(False)
        with contextlib.suppress(TimeoutError, IndexError):
            async with asyncio.timeout(60):
                await Heartbeat(lambda: lives.pop(0)).run()
        assert [sock.recv(100), sock.recv(100)] == [ALIVE.encode()] * 2
        with pytest.raises(BlockingIOError):
            sock.recv(100)


@pytest.mark.parametrize(
    ("usec", "pid"), [("", ""), ("0", ""), ("soon", ""), ("-5", ""), ("30000", "1")]
)
async def test_without_a_watchdog_nothing_beats(
    usec: str, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    async with asyncio.timeout(60):
        await Heartbeat().run()


def test_agent_says_when_it_is_ready_that_it_lives_and_when_it_stops(
    tmp_path: pathlib.Path,
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'name = "a1"\ncontroller = "unix://{tmp_path}/c"\nstate_dir = "{tmp_path}/state"\n',
        encoding="utf-8",
    )
    with manager("path", tmp_path) as (sock, name):
        env = {**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "300000"}
        words = [sys.executable, "-P", "-m", "isochrone", "agent", "run", "--config", str(config)]
        with subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL) as running:
            told = [sock.recv(100) for _ in range(3)]
            running.send_signal(signal.SIGTERM)
            while told[-1] != b"STOPPING=1":
                told.append(sock.recv(100))
            assert running.wait(60) == 0
    assert told[:3] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert set(told[3:-1]) <= {b"WATCHDOG=1"}
