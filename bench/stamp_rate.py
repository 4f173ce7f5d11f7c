"""STAMP probes per CPU second: our sender and our reflector, beside irtt's client and server."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

import numpy as np

from bench.accounting import Program
from bench.answerer import PORT, answered_by, irtt_server, start_answerer
from bench.hosts import FAR_ADDRESS, Hosts, inside, targets, two_hosts
from bench.report import Goal, Report, in_turns, ratios, script, spread
from bench.sender import Order, done_by, start_sender

TARGETS = 1_000
RATE_GOAL = 150_000
IRTT_GOAL = 5


@dataclass(frozen=True, slots=True)
class Rates:
    """Probes per CPU second of either end."""

    sender: float
    reflector: float


def ours(hosts: Hosts, seconds: float, payload_bytes: int) -> Rates:
    """Have the engine send more than it can to a reflector bound to every address."""
    with inside(hosts.far):
        answerer = start_answerer()
    order = Order(
        protocol="udp",
        targets=targets(TARGETS),
        interval_ms=5.0,
        seconds=seconds,
        payload_bytes=payload_bytes,
        port=PORT,
    )
    with inside(hosts.near):
        done = done_by(start_sender(order).end())
    answered = answered_by(answerer.end())
    assert done.timestamping == "kernel", done.timestamping
    return Rates(done.received / done.cpu_s, answered.reflected / answered.cpu_s)


def irtt(hosts: Hosts, seconds: float) -> Rates:
    """Have irtt send as fast as it can, to one target: it knows no more."""
    with inside(hosts.far), irtt_server(FAR_ADDRESS) as server:
        with inside(hosts.near):
            command = ("irtt", "client", "-i", "15us", "-d", f"{seconds}s", "-q", FAR_ADDRESS)
            ended = Program(*command).end()
        server_ended = server.end(signal.SIGINT)
    answered = re.search(rb"packets sent/received: \d+/(\d+)", ended.said)
    assert answered, ended.said + ended.complained
    count = int(answered.group(1))
    return Rates(count / ended.cpu_s, count / server_ended.cpu_s)


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    seconds = 1.0 if quick else 2.0
    with two_hosts() as hosts:
        rates = in_turns(
            1 if quick else 9,
            {
                "isochrone, 44 bytes": lambda: ours(hosts, seconds, 44),
                "isochrone, 64 bytes with follow-up": lambda: ours(hosts, seconds, 64),
                "irtt": lambda: irtt(hosts, seconds),
            },
        )
    sender = {name: [rate.sender for rate in found] for name, found in rates.items()}
    reflector = {name: [rate.reflector for rate in found] for name, found in rates.items()}
    goals = []
    for end, found in (("sender", sender), ("reflector", reflector)):
        own = float(np.median(found["isochrone, 44 bytes"]))
        share = float(np.median(ratios(found["isochrone, 44 bytes"], found["irtt"])))
        goals += [
            Goal(f"{end} at least {RATE_GOAL:,}/s", own >= RATE_GOAL, f"{own:,.0f}/s"),
            Goal(f"{end} at least {IRTT_GOAL} × irtt", share >= IRTT_GOAL, f"{share:.1f} ×"),
        ]
    return Report(
        name="stamp_rate",
        title="STAMP probes per CPU second, 1,000 targets on one reflector",
        columns=("", "sender", "reflector"),
        rows=[(name, spread(sender[name]), spread(reflector[name])) for name in rates],
        goals=goals,
        notes=("irtt's client knows one target; its server is the peer of our reflector.",),
    )


if __name__ == "__main__":
    script(measure)
