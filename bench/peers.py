"""Single round trips of every tool to one target, in the order of sending, in nanoseconds.

Each function pings `target` `count` times, ten milliseconds apart, and returns its own figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.accounting import run
from bench.answerer import PORT
from bench.python_pingers import ping_with
from bench.sender import Order, done_by, start_sender
from bench.tap import Kind
from probes.stamp.sizes import STAMP_BASE_BYTES

INTERVAL_MS = 10.0


@dataclass(frozen=True, slots=True)
class Trips:
    """Delays float64[n], NaN where a probe was lost; one-way ones where the tool tells them."""

    rtt_ns: NDArray[np.float64]
    forward_ns: NDArray[np.float64] | None = None
    backward_ns: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: how it is run, what its packets are, and whether it takes off the far end's time."""

    name: str
    ping: Callable[[str, int], Trips]
    kind: Kind
    takes_off_residence: bool = False


def _engine(protocol: str, target: str, count: int, payload_bytes: int = 64) -> Trips:
    order = Order(
        protocol="icmp" if protocol == "icmp" else "udp",
        targets=[target],
        interval_ms=INTERVAL_MS,
        each=count,
        payload_bytes=payload_bytes,
        port=None if protocol == "icmp" else PORT,
        samples=True,
    )
    done = done_by(start_sender(order).end())
    return Trips(*map(np.array, (done.rtt_ns, done.forward_ns, done.backward_ns)))


def _fping(target: str, count: int) -> Trips:
    ended = run("fping", "-q", "-C", str(count), "-p", f"{INTERVAL_MS:.0f}", target)
    words = ended.complained.decode().rpartition(" : ")[2].split()
    return Trips(np.array([np.nan if word == "-" else float(word) * 1e6 for word in words]))


def _ping(target: str, count: int) -> Trips:
    ended = run("ping", "-i", f"{INTERVAL_MS / 1e3}", "-c", str(count), target)
    found = re.findall(rb"icmp_seq=(\d+) .*time=([\d.]+) ms", ended.said)
    rtt_ns = np.full(count, np.nan)
    for number, rtt_ms in found:
        rtt_ns[int(number) - 1] = float(rtt_ms) * 1e6
    return Trips(rtt_ns)


def _irtt(target: str, count: int) -> Trips:
    seconds = (count - 0.5) * INTERVAL_MS / 1e3
    ended = run(
        "irtt", "client", "-i", f"{INTERVAL_MS}ms", "-d", f"{seconds}s", "-Q", "-o", "-", target
    )
    trips = msgspec.json.decode(ended.said)["round_trips"]
    delays = [trip.get("delay", {}) for trip in trips]
    return Trips(
        *(
            np.array([delay.get(name, np.nan) for delay in delays], np.float64)
            for name in ("rtt", "send", "receive")
        )
    )


def _icmplib(target: str, count: int) -> Trips:
    return Trips(np.array(ping_with("icmplib-rtts", [target], count).rtt_ns))


ICMP = Tool("isochrone, ICMP", lambda target, count: _engine("icmp", target, count), "icmp")
STAMP = Tool(
    "isochrone, STAMP",
    lambda target, count: _engine("udp", target, count),
    "stamp",
    takes_off_residence=True,
)
STAMP_LEAST = Tool(
    "isochrone, STAMP of 44 bytes",
    lambda target, count: _engine("udp", target, count, STAMP_BASE_BYTES),
    "stamp",
    takes_off_residence=True,
)
FPING = Tool("fping", _fping, "icmp")
PING = Tool("ping", _ping, "icmp")
IRTT = Tool("irtt", _irtt, "irtt", takes_off_residence=True)
ICMPLIB = Tool("icmplib", _icmplib, "icmp")
OURS = (ICMP, STAMP)
PEERS = (FPING, PING, IRTT, ICMPLIB)
