"""How the median RTT moves as targets are added, beside fping: 1, 100, 1,000 and 10,000."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.accounting import Program
from bench.hosts import inside, targets, two_hosts
from bench.report import Goal, Report, in_turns, script, spread
from bench.sender import Order, done_by, start_sender
from bench.tap import Tap, arrivals

COUNTS = (1, 100, 1_000, 10_000)
GOAL_US = 2.0


def _interval_ms(count: int) -> float:
    """Return the time between probes of one target: a thousand probes per second, 10,000
    at most.
    """
    return float(min(count, 1_000))


def _each(count: int, seconds: float) -> int:
    return max(1, round(seconds * 1e3 / _interval_ms(count)))


def _ours(count: int, seconds: float) -> NDArray[np.float64]:
    order = Order(
        protocol="icmp",
        targets=targets(count),
        interval_ms=_interval_ms(count),
        each=_each(count, seconds),
        samples=True,
    )
    return np.array(done_by(start_sender(order).end()).rtt_ns) / 1e3


def _fping(count: int, seconds: float) -> NDArray[np.float64]:
    each, period_ms = _each(count, seconds), _interval_ms(count)
    gap_ms = max(period_ms / count, 0.001)
    command = ["fping", "-q", "-C", str(each), "-p", f"{period_ms:.0f}", "-i", f"{gap_ms:.3f}"]
    ended = Program(*command, *targets(count)).end()
    lines = ended.complained.decode().splitlines()
    words = [word for line in lines for word in line.rpartition(" : ")[2].split()]
    return np.array([float(word) * 1e3 for word in words if re.fullmatch(r"[\d.]+", word)])


TOOLS = {"isochrone": _ours, "fping": _fping}


@dataclass(frozen=True, slots=True)
class Medians:
    """Median round trips of one run in µs: as the tool told them, and as the wire saw them."""

    told: float
    true: float


def medians(near: Tap, far: Tap, name: str, count: int, seconds: float) -> Medians:
    """Run a tool over so many targets."""
    near.take()
    far.take()
    told = TOOLS[name](count, seconds)
    arrived, came_back = arrivals(far, "icmp"), arrivals(near, "icmp")
    if len(arrived) != len(came_back):
        raise RuntimeError(f"{name}: {len(arrived)} arrived, {len(came_back)} came back")
    return Medians(float(np.nanmedian(told)), float(np.median(came_back - arrived)) / 1e3)


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    seconds = 1.5 if quick else 3.0
    with two_hosts() as hosts, inside(hosts.near):
        near = Tap()
        with inside(hosts.far):
            far = Tap()
        found = in_turns(
            1 if quick else 2,
            {
                (name, count): functools.partial(medians, near, far, name, count, seconds)
                for count in COUNTS
                for name in TOOLS
            },
        )
        near.close()
        far.close()
    error = {
        key: float(np.median([run.told - run.true for run in runs])) for key, runs in found.items()
    }
    worst = {
        name: max(abs(error[name, count] - error[name, 1]) for count in COUNTS[1:])
        for name in TOOLS
    }
    rows = []
    for count in COUNTS:
        row = [f"{count:,}"]
        for name in TOOLS:
            runs = found[name, count]
            row += [
                spread([run.told for run in runs], 1),
                spread([run.true for run in runs], 1),
                f"{error[name, count] - error[name, 1]:+.1f}",
            ]
        rows.append(tuple(row))
    return Report(
        name="target_shift",
        title="Median RTT in µs as targets are added (veth, 1,000 probes/s; 10,000 for the last)",
        columns=(
            "targets",
            *(
                f"{name}{what}"
                for name in TOOLS
                for what in ("", ", truth", ", shift of the error")
            ),
        ),
        rows=rows,
        goals=[
            Goal(
                f"the median moves by at most {GOAL_US:.0f} µs more than the truth does",
                worst["isochrone"] <= GOAL_US,
                f"{worst['isochrone']:.1f} µs; fping {worst['fping']:.1f} µs",
            )
        ],
        notes=(
            "The path itself becomes faster with more packets per second, since its code stays in "
            "the caches; so what is judged is the median of what is told minus that of the wire.",
        ),
    )


if __name__ == "__main__":
    script(measure)
