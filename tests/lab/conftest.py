"""Fixtures: a WAN of two sites in networks of its own, in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

# The process enters its namespaces before numpy is imported: see lab.kernel.
_PROGRAM = """
import json, pathlib, subprocess, sys
from lab.networks import enter_hub, inside, make_sites
order = json.loads(sys.argv[1])
enter_hub()
from lab.emulator import Emulator
from lab.impairment import Paths, PathTable
from lab.packet_log import PacketLog
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
        [sys.executable, "-c", "from lab.networks import enter_hub; enter_hub()"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    return None if trial.returncode == 0 else trial.stderr.strip().splitlines()[-1]


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
            [sys.executable, "-c", _PROGRAM, json.dumps(order)],
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
