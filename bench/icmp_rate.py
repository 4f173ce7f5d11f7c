"""ICMP probes per CPU second at 1,000 targets, kernel timestamps of sending and arrival."""

from __future__ import annotations

import functools
import re

import numpy as np

from bench.accounting import Program
from bench.hosts import FAR_ADDRESS, inside, targets, two_hosts
from bench.python_pingers import ping_with
from bench.report import Goal, Report, in_turns, ratios, script, spread
from bench.sender import Order, done_by, start_sender

TARGETS = 1_000
_LIBRARIES = ("icmplib", "aioping", "scapy")


def ours(seconds: float) -> float:
    """Return answered probes per CPU second of the engine, asked for more than it can send."""
    order = Order(protocol="icmp", targets=targets(TARGETS), interval_ms=3.0, seconds=seconds)
    done = done_by(start_sender(order).end())
    assert done.timestamping == "kernel", done.timestamping
    return done.received / done.cpu_s


def fping(rounds: int) -> float:
    """Return the same of fping, as fast as it goes: it has 65,536 numbers for ten seconds."""
    command = ("fping", "-q", "-i", "0", "-p", "1", "-c", str(rounds), *targets(TARGETS))
    ended = Program(*command).end()
    answered = re.findall(rb"xmt/rcv/%loss = \d+/(\d+)/", ended.complained)
    return sum(map(int, answered)) / ended.cpu_s


def flood(count: int) -> float:
    """Return the same of `ping -f`, which knows one target only."""
    ended = Program("ping", "-f", "-q", "-c", str(count), FAR_ADDRESS).end()
    answered = re.search(rb"(\d+) received", ended.said)
    assert answered, ended.complained
    return int(answered.group(1)) / ended.cpu_s


def library(name: str, rounds: int) -> float:
    """Return the same of a Python library."""
    pinged = ping_with(name, targets(TARGETS), rounds)
    return pinged.received / pinged.cpu_s


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    with two_hosts() as hosts, inside(hosts.near):
        rates = in_turns(
            1 if quick else 12,
            {
                "isochrone": functools.partial(ours, 2.0),
                "fping": functools.partial(fping, 60),
                "ping -f": functools.partial(flood, 50_000),
            },
        )
        libraries = in_turns(
            1 if quick else 3,
            {name: functools.partial(library, name, 1) for name in _LIBRARIES},
        )
    own = float(np.median(rates["isochrone"]))
    beside = {name: ratios(values, rates["isochrone"]) for name, values in rates.items()}
    beside |= {name: [value / own for value in values] for name, values in libraries.items()}
    rates |= libraries
    share = float(np.median(ratios(rates["isochrone"], rates["fping"])))
    hundredfold = 1 / max(float(np.median(beside[name])) for name in _LIBRARIES)
    return Report(
        name="icmp_rate",
        title="ICMP probes per CPU second, 1,000 targets",
        columns=("", "answered probes per CPU s", "beside ours"),
        rows=[(name, spread(values), spread(beside[name], 3)) for name, values in rates.items()],
        goals=[
            Goal("at least fping", share >= 1, f"{share:.2f} ×"),
            Goal(
                "at least 100 × the best Python library", hundredfold >= 100, f"{hundredfold:.0f} ×"
            ),
        ],
        notes=(
            "Beside ours: of the same round, for fping and ping; the median of twelve.",
            "Ours takes kernel timestamps of sending and arrival; fping and ping take none of "
            "sending.",
            "ping -f knows one target; the others probe all of them.",
        ),
    )


if __name__ == "__main__":
    script(measure)
