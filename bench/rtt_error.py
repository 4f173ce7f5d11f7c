"""Error of single round trips over a plain veth, idle and with four busy loops.

Truth: a veth has no length. The request goes out as it comes in at the far end, so the round trip
is what the far end takes to answer, and nothing for tools that take that off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.answerer import PORT, irtt_server, start_answerer
from bench.errors import COLUMNS, COOL_DOWN, WARM_UP, Errors, collect
from bench.hosts import FAR_ADDRESS, Hosts, inside, two_hosts
from bench.peers import OURS, PEERS, STAMP_LEAST, Tool
from bench.report import Goal, Report, script
from bench.tap import Tap, arrivals

IDLE_GOAL_US, BUSY_GOAL_US = 5.0, 10.0
ALL = (*OURS, STAMP_LEAST, *PEERS)


class Veth:
    """The two hosts with a witness at either end."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        with inside(hosts.near):
            self._near = Tap()
        with inside(hosts.far):
            self._far = Tap()

    def close(self) -> None:
        """Remove the witnesses."""
        self._near.close()
        self._far.close()

    def rtt_errors(self, tool: Tool, count: int) -> NDArray[np.float64]:
        """Return what the tool said minus the truth, a figure a probe."""
        return self.errors(tool, count)[0]

    def errors(self, tool: Tool, count: int) -> NDArray[np.float64]:
        """Return errors of round trip, forward and backward delay: float64[3, n]."""
        self._near.take()
        self._far.take()
        with inside(self._hosts.near):
            said = tool.ping(FAR_ADDRESS, count)
        arrived = arrivals(self._far, tool.kind, PORT)
        came_back = arrivals(self._near, tool.kind, PORT)
        if not len(arrived) == len(came_back) == len(said.rtt_ns):
            raise RuntimeError(
                f"{tool.name}: {len(arrived)} arrived, {len(came_back)} came back, "
                f"{len(said.rtt_ns)} told"
            )
        true_ns = 0 if tool.takes_off_residence else came_back - arrived
        nothing = np.full(len(arrived), np.nan)
        return np.array(
            [
                said.rtt_ns - true_ns,
                nothing if said.forward_ns is None else said.forward_ns,
                nothing if said.backward_ns is None else said.backward_ns,
            ]
        )[:, WARM_UP:-COOL_DOWN]


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    count = 60 if quick else 200
    with two_hosts() as hosts:
        veth = Veth(hosts)
        with inside(hosts.far):
            answerer = start_answerer()
        with inside(hosts.far), irtt_server(FAR_ADDRESS):
            errors = collect(ALL, lambda tool: veth.rtt_errors(tool, count), 1 if quick else 3)
        answerer.end()
        veth.close()
    return Report(
        name="rtt_error",
        title="|RTT − truth| in µs over a plain veth, 100 probes/s, idle and with four busy loops",
        columns=("", *COLUMNS),
        rows=[(tool.name, *errors.cells(tool.name)) for tool in ALL],
        goals=_goals(errors),
        notes=(
            "Truth: a veth has no length, so a request leaves as it comes in at the far end, where "
            "a packet socket has the kernel timestamp it; the truth is the time the far end took "
            "to answer, and zero for tools that take that off. Every error is the sender's own: "
            "what lies between its timestamps and the cable.",
            "STAMP packets have 64 bytes unless somebody chooses otherwise: room for Follow-Up "
            "Telemetry (RFC 8972 §4.7), by which a reply tells when the one before it truly left. "
            "Those of 44 bytes have none; their Error Estimate tells how early T3 may be. The last "
            "probes of each run, which no reply follows, are not judged.",
            "fping and ping print three significant digits: up to 0.5 µs of their error.",
        ),
    )


def _goals(errors: Errors) -> list[Goal]:
    goals = []
    for tool in OURS:
        for state, goal_us in (("idle", IDLE_GOAL_US), ("busy", BUSY_GOAL_US)):
            own = errors.quantile(state, tool.name, 0.99)
            demand = f"{tool.name}: p99 at most {goal_us:.0f} µs {state}"
            goals.append(Goal(demand, own <= goal_us, f"{own:.1f} µs"))
        goals += beside_peers(errors, tool.name, [peer.name for peer in PEERS])
    return goals


def beside_peers(errors: Errors, own: str, peers: list[str]) -> list[Goal]:
    """Demand a smaller error than each peer's at every quantile, and that load adds less to it."""
    best = {
        (state, q): min(peers, key=lambda peer: errors.quantile(state, peer, q))
        for state in ("idle", "busy")
        for q in (0.5, 0.99)
    }
    smaller = [errors.quantile(s, own, q) < errors.quantile(s, b, q) for (s, q), b in best.items()]
    added = {
        name: max(0.0, errors.quantile("busy", name, 0.9) - errors.quantile("idle", name, 0.9))
        for name in (own, *peers)
    }
    least = min(peers, key=lambda peer: added[peer])
    closest = best["busy", 0.99]
    return [
        Goal(
            f"{own}: p50 and p99 below every peer's, idle and busy",
            all(smaller),
            f"busy p99 {errors.quantile('busy', own, 0.99):.1f} µs, best peer {closest} "
            f"{errors.quantile('busy', closest, 0.99):.1f} µs",
        ),
        Goal(
            f"{own}: load adds no more to its p90 than to any peer's",
            added[own] <= added[least],
            f"{added[own]:+.1f} µs, best peer {least} {added[least]:+.1f} µs",
        ),
    ]


if __name__ == "__main__":
    script(measure)
