"""What a whole agent takes: memory at 1,000 and 10,000 streams, CPU at 1,000 probes per second.

The agent runs as it is deployed, with a controller that takes its windows; streams probe once a
second. Memory is looked at after several windows have been summed up, stored and sent.
"""

from __future__ import annotations

import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.accounting import resident_mb, ticks_s
from bench.agent_run import as_installed, controller, furnish_agent, start_agent
from bench.hosts import Hosts, inside, two_hosts
from bench.report import Goal, Report, in_turns, script, spread
from bench.tap import Tap, arrivals

SIZES = (1_000, 10_000)
MEMORY_GOALS_MB = {1_000: 80.0, 10_000: 128.0}
CPU_GOAL = 0.03
_SETTLE_S = 7.0  # start-up and the first window


@dataclass(frozen=True, slots=True)
class Weight:
    """Memory in MB, CPU as a share of one core, probes per second that truly left."""

    resident_mb: float
    peak_mb: float
    cpu_ratio: float
    probes_per_s: float


def weigh(hosts: Hosts, directory: Path, url: str, streams: int, seconds: float) -> Weight:
    """Run one agent for a while and look at it."""
    with inside(hosts.near):
        agent = start_agent(furnish_agent(directory, streams, url))
        time.sleep(_SETTLE_S)
    with inside(hosts.far):
        tap = Tap()
    before_s, began_s = ticks_s(agent.pid), time.monotonic()
    time.sleep(seconds)
    cpu_s, took_s = ticks_s(agent.pid) - before_s, time.monotonic() - began_s
    arrived = arrivals(tap, "icmp")
    tap.close()
    now_mb, peak_mb = resident_mb(agent.pid)
    ended = agent.end(signal.SIGTERM)
    if ended.code:
        raise RuntimeError(ended.complained.decode())
    return Weight(now_mb, peak_mb, cpu_s / took_s, len(arrived) / took_s)


def measure(quick: bool) -> Report:
    """Weigh agents of both sizes in turns."""
    with tempfile.TemporaryDirectory() as name, two_hosts() as hosts:
        directory = Path(name)
        with as_installed(directory / "bytecode"), controller(directory) as url:
            weigh(hosts, directory, url, 1, 1.0)  # the first time its bytecode is made
            weights = in_turns(
                1,
                {
                    streams: lambda streams=streams: weigh(
                        hosts, directory, url, streams, 6.0 if quick else 12.0
                    )
                    for streams in SIZES
                },
            )
    goals = []
    for streams, limit_mb in MEMORY_GOALS_MB.items():
        peak_mb = max(weight.peak_mb for weight in weights[streams])
        demand = f"{streams:,} streams in at most {limit_mb:.0f} MB"
        goals.append(Goal(demand, peak_mb <= limit_mb, f"{peak_mb:.0f} MB at most"))
    cpu = float(np.median([weight.cpu_ratio for weight in weights[1_000]]))
    goals.append(
        Goal(f"1,000 probes/s in at most {CPU_GOAL:.0%} of a core", cpu <= CPU_GOAL, f"{cpu:.1%}")
    )
    return Report(
        name="agent_footprint",
        title="A whole agent: one ICMP probe a second and stream, windows of 5 s, all delivered",
        columns=("streams", "resident MB", "peak MB", "% of a core", "probes/s"),
        rows=[
            (
                f"{streams:,}",
                spread([weight.resident_mb for weight in found]),
                spread([weight.peak_mb for weight in found]),
                spread([weight.cpu_ratio * 100 for weight in found], 1),
                spread([weight.probes_per_s for weight in found]),
            )
            for streams, found in weights.items()
        ],
        goals=goals,
    )


if __name__ == "__main__":
    script(measure)
