"""Error of single round trips over a plain veth, idle and with four busy loops.

Truth: the frames' own kernel stamps at a packet socket on the sender's link, and on the far link
for tools that take off the time the far end took to answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.answerer import PORT, irtt_server, start_answerer
from bench.errors import COLUMNS, WARM_UP, Errors, collect
from bench.hosts import FAR_ADDRESS, Hosts, inside, two_hosts
from bench.peers import OURS, PEERS, Tool
from bench.report import Goal, Report, script
from bench.tap import Tap, passages

IDLE_GOAL_US, BUSY_GOAL_US = 5.0, 10.0


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
        """Return what the tool said minus what the wire saw, a figure a probe."""
        return self.errors(tool, count)[0]

    def errors(self, tool: Tool, count: int) -> NDArray[np.float64]:
        """Return errors of round trip, forward and backward delay: float64[3, n]."""
        self._near.take()
        self._far.take()
        with inside(self._hosts.near):
            said = tool.ping(FAR_ADDRESS, count)
        left, came_back = passages(self._near.take(), tool.kind, PORT)
        answered, arrived = passages(self._far.take(), tool.kind, PORT)
        if not len(left) == len(came_back) == len(arrived) == len(answered) == len(said.rtt_ns):
            raise RuntimeError(
                f"{tool.name}: {len(left)} sent, {len(arrived)} arrived, {len(answered)} answered, "
                f"{len(came_back)} came back, {len(said.rtt_ns)} told"
            )
        residence = answered - arrived if tool.takes_off_residence else 0
        nothing = np.full(len(left), np.nan)
        return np.array(
            [
                said.rtt_ns - (came_back - left - residence),
                nothing if said.forward_ns is None else said.forward_ns - (arrived - left),
                nothing if said.backward_ns is None else said.backward_ns - (came_back - answered),
            ]
        )[:, WARM_UP:]


def measure(quick: bool) -> Report:
    """Measure all in turns."""
    count = 60 if quick else 200
    with two_hosts() as hosts:
        veth = Veth(hosts)
        with inside(hosts.far):
            answerer = start_answerer()
        with inside(hosts.far), irtt_server(FAR_ADDRESS):
            errors = collect(
                (*OURS, *PEERS), lambda tool: veth.rtt_errors(tool, count), 1 if quick else 3
            )
        answerer.end()
        veth.close()
    return Report(
        name="rtt_error",
        title="|RTT − truth| in µs over a plain veth, 100 probes/s, idle and with four busy loops",
        columns=("", *COLUMNS),
        rows=[(tool.name, *errors.cells(tool.name)) for tool in (*OURS, *PEERS)],
        goals=_goals(errors),
        notes=(
            "Truth: kernel stamps of a packet socket at either end of the wire. The stamp of "
            "arrival is the one reading of the clock that every socket shares; what differs is "
            "the stamp of sending, and all that tools do in user space.",
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
        name: errors.quantile("busy", name, 0.99) - errors.quantile("idle", name, 0.99)
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
            f"{own}: load adds less to its p99 than to any peer's",
            added[own] < added[least],
            f"{added[own]:+.1f} µs, best peer {least} {added[least]:+.1f} µs",
        ),
    ]


if __name__ == "__main__":
    script(measure)
