"""How long it takes from starting the program to its first probe on the wire."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.accounting import Program
from bench.agent_run import as_installed, controller, furnish_agent, start_agent
from bench.hosts import FAR_ADDRESS, inside, two_hosts
from bench.report import Goal, Report, in_turns, script, spread
from bench.tap import Kind, Tap, arrivals
from lab.fleet.children import isochrone_command

GOAL_S = 0.5
_PATIENCE_S = 5.0
STREAMS = 1_000


def to_first_probe_s(far: int, start: Callable[[], Program], kind: Kind) -> float:
    """Start a program in the near namespace and wait for its first probe to arrive."""
    with inside(far):
        tap = Tap()
    began_ns = time.time_ns()
    program = start()
    arrived = np.zeros(0, np.int64)
    deadline_s = time.monotonic() + _PATIENCE_S
    while not len(arrived) and time.monotonic() < deadline_s:
        time.sleep(0.05)  # the moment itself is the kernel's timestamp
        arrived = arrivals(tap, kind)
    tap.close()
    program.end(signal.SIGTERM)
    return float(arrived[0] - began_ns) / 1e9 if len(arrived) else float("inf")


def measure(quick: bool) -> Report:
    """Start each in turns."""
    # Its first probe is sent at a random moment of its first interval: a short one.
    probe = isochrone_command("probe", "icmp", FAR_ADDRESS, "--interval", "1ms")
    fping = ("fping", "-q", "-c", "1", FAR_ADDRESS)
    with tempfile.TemporaryDirectory() as name, two_hosts() as hosts:
        directory = Path(name)

        def agent_s() -> float:
            config = furnish_agent(directory, STREAMS, url)
            return to_first_probe_s(hosts.far, lambda: start_agent(config), "icmp")

        def program_s(*command: str) -> float:
            return to_first_probe_s(hosts.far, lambda: Program(*command), "icmp")

        with (
            as_installed(directory / "bytecode"),
            controller(directory) as url,
            inside(hosts.near),
        ):
            agent_s(), program_s(*probe)  # the first time their bytecode is made
            took_s = in_turns(
                2 if quick else 7,
                {
                    f"isochrone agent run, {STREAMS:,} streams": agent_s,
                    "isochrone probe icmp, 1 target": lambda: program_s(*probe),
                    "fping, 1 target": lambda: program_s(*fping),
                },
            )
    rows = [(name, spread([value * 1e3 for value in values])) for name, values in took_s.items()]
    goals = []
    for name, values in list(took_s.items())[:2]:
        middle_s = float(np.median(values))
        goals.append(
            Goal(f"{name}: at most {GOAL_S} s", middle_s <= GOAL_S, f"{middle_s * 1e3:.0f} ms")
        )
    return Report(
        name="start_up",
        title="From starting the program to its first probe on the wire",
        columns=("", "ms"),
        rows=rows,
        goals=goals,
        notes=("Our programs run from bytecode, as installed ones do.",),
    )


if __name__ == "__main__":
    script(measure)
