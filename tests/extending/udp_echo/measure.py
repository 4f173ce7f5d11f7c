"""Plan the streams of a site file, run them, and say what their windows hold, as JSON."""

from __future__ import annotations

import json
import pathlib
import threading

from controller.plans.planner import make_plans
from probes.engine.engine import Engine
from probes.packet_size import packet_bytes
from probes.window import WindowBatch
from topology.mesh import plan_streams
from topology.site_file import load_network

_PROBES = 40


def measure(site_file: str) -> None:
    """Print what was planned and what was measured."""
    network = load_network(pathlib.Path(site_file))
    plans = make_plans(network, plan_streams(network))
    specs = [spec for plan in plans.values() for spec in plan.streams]
    windows: list[WindowBatch] = []
    engine = Engine(
        specs,
        window_ns=50_000_000,
        on_windows=windows.append,
        probes_per_stream=_PROBES,
        first_at_once=True,
    )
    engine.start()
    engine.wait_until_finished()
    engine.stop()
    totals = {
        name: sum(int(batch.counters[name].sum()) for batch in windows)
        for name in ("sent", "received")
    }
    document = {
        "type_p": [spec.type_p.label() for spec in specs],
        "packet_bytes": [packet_bytes(spec.type_p) for spec in specs],
        "reflectors": sum(len(plan.reflectors) for plan in plans.values()),
        "windows": sum(batch.rows for batch in windows),
        "least_rtt_ns": min(float(batch.measures["rtt_min_ns"].min()) for batch in windows),
        "threads": threading.active_count(),
        **totals,
    }
    print(json.dumps(document))
