"""What a program cost, as the operating system counted it when the program had ended."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.fleet.children import child_environment, follow_parent, python_command

BUSY_LOOPS = 4
_BUSY_LIMIT_S = 120  # a busy loop ends by itself after so long, whatever becomes of us


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: `cpu_s` of all its threads, and what it said."""

    cpu_s: float
    wall_s: float
    said: bytes
    complained: bytes
    code: int


class Program:
    """A child process whose cost will be known; it is killed if we die."""

    def __init__(self, *command: str) -> None:
        self._began = time.monotonic()
        self._ended: Ended | None = None
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
            preexec_fn=follow_parent(signal.SIGKILL),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, text: bytes) -> None:
        """Write to its input and close it."""
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.close()
        self._process.stdin = None

    def line(self) -> bytes:
        """Return the next line it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self, number: int | None = None, *, limit_s: float = 60.0) -> Ended:
        """Wait for its end (after signal `number`, if given) and return what it cost."""
        if self._ended is not None:
            return self._ended
        if number is not None:
            self._process.send_signal(number)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            said, complained = self._process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        wall_s = time.monotonic() - self._began
        self._ended = Ended(cpu_s, wall_s, said, complained, self._process.returncode)
        return self._ended


def run(*command: str, limit_s: float = 60.0) -> Ended:
    """Run a program to its end."""
    return Program(*command).end(limit_s=limit_s)


def own_cpu_s() -> float:
    """Return the CPU time of all threads of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ticks_s(pid: int) -> float:
    """Return the CPU time of a running process so far, to the hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> tuple[float, float]:
    """Return resident memory of a running process: (now, the most it ever had), in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kilobytes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(kilobytes["VmRSS"]) * 1.024e-3, int(kilobytes["VmHWM"]) * 1.024e-3


def forget_most() -> None:
    """Have the most memory this process ever had counted again, from what it has now (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@contextlib.contextmanager
def busy_machine(loops: int = BUSY_LOOPS) -> Iterator[None]:
    """Have that many busy loops compete for the processors."""
    code = f"import signal; signal.alarm({_BUSY_LIMIT_S})\nwhile True: pass"
    burners = [Program(*python_command("-S", "-c", code)) for _ in range(loops)]
    try:
        yield
    finally:
        for burner in burners:
            burner.end(signal.SIGKILL)
