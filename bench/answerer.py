"""Our reflector as its own program: `python -m bench.answerer PORT`, until its input closes.

It says "ready" on a line, and at the end how much CPU time it took and how much it answered.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator

import msgspec

from bench.accounting import Ended, Program, own_cpu_s
from lab.fleet.children import python_command
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

PORT = 8620


class Answered(msgspec.Struct):
    """The cost of so many replies."""

    cpu_s: float
    reflected: int


def main() -> None:
    spec = ReflectorSpec(address="0.0.0.0", port=int(sys.argv[1]), peers=("10.98.0.0/16",))
    reflector = Reflector([spec], own_clock_bound_ns=lambda: 1e3, max_packets_per_s=1e7)
    before_s = own_cpu_s()
    reflector.start()
    print("ready", flush=True)
    sys.stdin.read()
    reflector.stop()
    answered = Answered(own_cpu_s() - before_s, reflector.counters().reflected)
    sys.stdout.buffer.write(msgspec.json.encode(answered))


def start_answerer() -> Program:
    """Start this module as a child and wait until it answers."""
    program = Program(*python_command("-m", "bench.answerer", str(PORT)))
    assert program.line() == b"ready\n"
    return program


def answered_by(ended: Ended) -> Answered:
    """Return what a child said."""
    return msgspec.json.decode(ended.said, type=Answered)


@contextlib.contextmanager
def irtt_server(address: str) -> Iterator[Program]:
    """Have irtt's server listen at an address."""
    program = Program("irtt", "server", "-i", "0", "-b", f"{address}:2112")
    while b"listener" not in program.line():
        pass
    try:
        yield program
    finally:
        program.end(signal.SIGINT)


if __name__ == "__main__":
    main()
