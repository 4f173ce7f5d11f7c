"""Runs pytest on a machine that stands still now and then: `python tests/stand_still.py SEED …`.

Every second or so all processes of the run are stopped for up to a second and a half and then
continue, as on a machine whose processors are taken away. A test that fails under it depends on
luck. What follows the seed is handed to pytest.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

EVERY_S = 1.0
STOPS_S = (0.03, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 1.5)


def tree(root: int) -> list[int]:
    """Return a process and all that it and its children have started."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def send(number: signal.Signals, processes: list[int]) -> None:
    """Send a signal to all that still are."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def main() -> int:
    """Run pytest to its end; return its exit code."""
    chance = random.Random(int(sys.argv[1]))
    with subprocess.Popen([sys.executable, "-P", "-m", "pytest", *sys.argv[2:]]) as run:
        while run.poll() is None:
            time.sleep(chance.expovariate(1 / EVERY_S))
            stopped = tree(run.pid)
            try:
                send(signal.SIGSTOP, stopped)
                time.sleep(chance.choice(STOPS_S))
            finally:
                send(signal.SIGCONT, stopped)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
