"""Fixtures: a WAN of two sites in its own networks, in its own process."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# The process enters its namespaces before numpy is imported: see lab.fleet.kernel.
_PROGRAM = """
import json, pathlib, subprocess, sys
from lab.fleet.networks import enter_hub, inside, make_sites
order = json.loads(sys.argv[1])
enter_hub()
from lab.fleet.emulator import Emulator
from lab.fleet.impairment import Paths, PathTable
from lab.fleet.packet_log import PacketLog
sites = make_sites([("a", ["10.0.0.1", "2001:db8::1"]), ("b", ["10.0.0.2", "2001:db8::2"])])
table = PathTable.without_paths(4)
for name, value in order["table"].items():
    getattr(table, name)[:] = value
behind = [sites[i].hub_interface for i in (0, 0, 1, 1)]
paths = Paths(["10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"], table)
emulator = Emulator(paths, behind, PacketLog(pathlib.Path(order["log"])), seed=3)
with inside(sites[0]):
    child = subprocess.Popen(order["command"], stdout=subprocess.PIPE, text=True)
emulator.run(lambda: child.poll() is None)
emulator.close()
print(child.stdout.read())
"""


def why_no_namespaces() -> str | None:
    """Return why namespaces of our own cannot be had here, None if they can."""
    trial = subprocess.run(
        [sys.executable, "-P", "-c", "from lab.fleet.networks import enter_hub; enter_hub()"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return None if trial.returncode == 0 else trial.stderr.strip().splitlines()[-1]


# Of the modules and programs that our processes load: those that could lie in a current folder.
_MODULES = (
    "random",
    "json",
    "socket",
    "ssl",
    "asyncio",
    "numpy",
    "click",
    "lab",
    "agent",
    "probes",
)
_PROGRAMS = ("ping", "fping", "irtt", "pmc", "ip", "python3")


@pytest.fixture
def hostile_folder(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a folder whose modules and programs leave a mark where they run; none may have."""
    folder, mark = tmp_path / "hostile", tmp_path / "has-run"
    folder.mkdir()
    for name in _MODULES:
        module = f"import os\nos.close(os.open({str(mark)!r}, os.O_CREAT))\nraise SystemExit(9)\n"
        (folder / f"{name}.py").write_text(module, encoding="utf-8")
    for name in _PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\n: > {mark}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    yield folder
    assert not mark.exists(), "what lay in the current folder was run"


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the reason and the remedy, where no namespaces can be had."""
    reason = why_no_namespaces()
    if reason is not None:
        pytest.skip(f"the lab's networks cannot be made here: {reason}")


@pytest.fixture
def run_in_wan(namespaces: None, tmp_path: pathlib.Path) -> Callable[..., str]:
    """Return a function that runs a command in site a, and leaves the log in tmp_path/log."""

    def run(command: list[str], **table: Any) -> str:
        order = {"command": command, "table": table, "log": str(tmp_path / "log")}
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(order)],
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
