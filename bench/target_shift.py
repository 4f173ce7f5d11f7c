"""How the median RTT moves as targets are added, beside fping: 1, 100, 1,000 and 10,000."""

from __future__ import annotations

import functools
import re

import numpy as np

from bench.accounting import Program
from bench.hosts import inside, targets, two_hosts
from bench.report import Goal, Report, in_turns, script, spread
from bench.sender import Order, done_by, start_sender

COUNTS = (1, 100, 1_000, 10_000)
PROBES = 10_000  # of one run, at most
GOAL_US = 2.0


def _interval_ms(count: int) -> float:
    """Return the time between probes of one target: 10 ms, and a second for many targets."""
    return 10.0 if count == 1 else 1_000.0


def _each(count: int, seconds: float) -> int:
    return max(1, round(seconds * 1e3 / _interval_ms(count)))


def ours(count: int, seconds: float) -> float:
    """Return the engine's median round trip in µs."""
    order = Order(
        protocol="icmp",
        targets=targets(count),
        interval_ms=_interval_ms(count),
        each=_each(count, seconds),
        samples=True,
    )
    done = done_by(start_sender(order).end())
    return float(np.nanmedian(done.rtt_ns)) / 1e3


def fping(count: int, seconds: float) -> float:
    """Return fping's median round trip in µs, paced alike."""
    each, period_ms = _each(count, seconds), _interval_ms(count)
    gap_ms = max(period_ms / count, 0.001)
    command = ["fping", "-q", "-C", str(each), "-p", f"{period_ms:.0f}", "-i", f"{gap_ms:.3f}"]
    ended = Program(*command, *targets(count)).end()
    lines = ended.complained.decode().splitlines()
    words = [word for line in lines for word in line.rpartition(" : ")[2].split()]
    rtt_ms = [float(word) for word in words if re.fullmatch(r"[\d.]+", word)]
    return float(np.median(rtt_ms)) * 1e3


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    seconds = 1.5 if quick else 3.0
    tools = {"isochrone": ours, "fping": fping}
    with two_hosts() as hosts, inside(hosts.near):
        medians = in_turns(
            1 if quick else 3,
            {
                (name, count): functools.partial(tool, count, seconds)
                for count in COUNTS
                for name, tool in tools.items()
            },
        )
    shifts = {
        name: {
            count: float(np.median(medians[name, count]) - np.median(medians[name, 1]))
            for count in COUNTS[1:]
        }
        for name in tools
    }
    worst = {name: max(map(abs, found.values())) for name, found in shifts.items()}
    return Report(
        name="target_shift",
        title="Median RTT in µs as targets are added (veth; 1 probe/s each, one target: 100/s)",
        columns=("targets", *tools, *(f"{name}, shift" for name in tools)),
        rows=[
            (
                f"{count:,}",
                *(spread(medians[name, count], 1) for name in tools),
                *(f"{shifts[name].get(count, 0.0):+.1f}" for name in tools),
            )
            for count in COUNTS
        ],
        goals=[
            Goal(
                f"the median moves by at most {GOAL_US:.0f} µs",
                worst["isochrone"] <= GOAL_US,
                f"{worst['isochrone']:.1f} µs; fping {worst['fping']:.1f} µs",
            )
        ],
        notes=("More packets a second keep the path's own code in the caches: shorter is usual.",),
    )


if __name__ == "__main__":
    script(measure)
