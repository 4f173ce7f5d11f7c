"""Error of single one-way delays over a plain veth with one clock at both ends, beside irtt.

Truth: zero both ways, since a veth has no length. Whatever is told is error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.answerer import irtt_server, start_answerer
from bench.errors import COLUMNS, Errors, collect
from bench.hosts import FAR_ADDRESS, inside, two_hosts
from bench.peers import IRTT, STAMP, Tool
from bench.report import Goal, Report, script
from bench.rtt_error import Veth

GOALS_US = {"idle": 10.0, "busy": 25.0}
WAYS = ("forward", "backward")


def measure(quick: bool) -> Report:
    """Measure both in turns."""
    count, rounds = (60, 1) if quick else (250, 3)
    ways: dict[str, Errors] = {}
    with two_hosts() as hosts:
        veth = Veth(hosts)
        with inside(hosts.far):
            answerer = start_answerer()

        def both_ways(tool: Tool) -> NDArray[np.float64]:
            return np.moveaxis(veth.errors(tool, count)[1:], 0, 1)  # probes first

        with inside(hosts.far), irtt_server(FAR_ADDRESS):
            errors = collect((STAMP, IRTT), both_ways, rounds)
        answerer.end()
        veth.close()
    for place, way in enumerate(WAYS):
        ways[way] = Errors(
            *({name: both[:, place] for name, both in state.items()}
              for state in (errors.idle, errors.busy))
        )  # fmt: skip
    return Report(
        name="oneway_error",
        title="|one-way delay − truth| in µs over a plain veth, one clock at both ends",
        columns=("", *COLUMNS),
        rows=[
            (f"{tool.name}, {way}", *ways[way].cells(tool.name))
            for tool in (STAMP, IRTT)
            for way in WAYS
        ],
        goals=[goal for way in WAYS for goal in _goals(way, ways[way])],
        notes=("STAMP packets of 64 bytes: room for Follow-Up Telemetry (RFC 8972 §4.7).",),
    )


def _goals(way: str, errors: Errors) -> list[Goal]:
    goals = []
    for state, goal_us in GOALS_US.items():
        own = errors.quantile(state, STAMP.name, 0.99)
        peer = errors.quantile(state, IRTT.name, 0.99)
        met = own <= goal_us and own <= peer / 5
        demand = f"{way}, {state}: p99 at most {goal_us:.0f} µs and a fifth of irtt's"
        goals.append(Goal(demand, met, f"{own:.1f} µs, irtt {peer:.1f} µs"))
    return goals


if __name__ == "__main__":
    script(measure)
