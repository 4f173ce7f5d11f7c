"""What arrays leave behind goes back to the system, on glibc; elsewhere nothing happens."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Many small objects fill the arena of a thread; they go, but for the last, which keeps the rest.
MEASURE = """
import sys, threading
from pathlib import Path
from foundation.allocation import give_back, limit_arenas

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

limit_arenas(arenas=1)
held = [bytearray(600) for _ in range(200_000)]
pin = [bytearray(600) for _ in range(1)]
full = resident_mb()
del held
give_back()
print(full - resident_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_memory_that_nobody_uses_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEASURE], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) > 60  # of the 120 MB that were held


WITHOUT = """
import ctypes
ctypes.CDLL = lambda name: object()
from foundation.allocation import give_back, limit_arenas
limit_arenas(arenas=1)
give_back()
"""


def test_a_library_without_such_calls_is_left_alone() -> None:
    subprocess.run([sys.executable, "-P", "-c", WITHOUT], check=True)
