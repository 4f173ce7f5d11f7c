# ruff: noqa: E501 - rows of facts read best as the table they are
"""What the pages of one target and of one path show, in exactly the shapes of docs/reference/api.md."""

from __future__ import annotations

import random
from typing import Any

from fleet_facts import MS


def target_page(name: str, *, pairs: bool) -> dict[str, Any]:
    """Return remediation and ring of a target."""
    path = {
        "target": name, "path": "nanjing-jiangbei.ct.v4>nanjing-yizhuang.ct.v4",
        "source_site": "nanjing-jiangbei", "destination_site": "nanjing-yizhuang",
        "source_carrier": "ct", "destination_carrier": "ct", "ip_version": 4, "verdict": "fail",
        "action": "fix", "measured": 1.1 * MS, "limit": 1.0 * MS, "unit": "ns", "margin_ratio": 0.1,
    }  # fmt: skip
    remediation = {
        "name": name, "of": "pairs" if pairs else "paths", "goal": 0.95, "year": "2030",
        "total": 20, "passed": 16, "needed": 3, "reachable": True, "best_ratio": 1.0,
        "paths": [path], "by_carrier": [{"name": "ct → ct", "paths": 1}],
        "by_site": [{"name": "nanjing-jiangbei", "paths": 1}, {"name": "nanjing-yizhuang", "paths": 1}],
    }  # fmt: skip
    places = [
        {"site": "nanjing-yizhuang", "great_circle_km": 26.0, "floor_ns": 126_880.0, "margin_km": 178.9, "reachable": True, "by_road": True},
        {"site": "xuzhou", "great_circle_km": 280.0, "floor_ns": 1_366_400.0, "margin_km": -75.1, "reachable": False, "by_road": False},
    ]  # fmt: skip
    ring = {
        "target": name, "limit_ms": 1.0, "direction": "one_way", "centre": "nanjing-jiangbei",
        "centres": ["nanjing-jiangbei"], "sites": places,
    }  # fmt: skip
    return {"remediation": remediation, "ring": ring}


def window_documents(
    base_ns: float, from_ns: int, to_ns: int, protocol: str
) -> list[dict[str, Any]]:
    """Return 10 s windows whose round trip is `base_ns`, with one gap and one bout of loss."""
    chance = random.Random(int(base_ns))
    found = []
    step = 10_000_000_000
    for start in range(from_ns - from_ns % step, to_ns - step, step):
        age = (to_ns - start) // step
        if 40 <= age < 48:
            continue  # nothing arrived: a gap
        bump = 1.35 if 15 <= age < 22 else 1.0
        rtt = base_ns * bump * chance.uniform(0.995, 1.01)
        lost = chance.choice((0, 0, 0, 0, 1, 2)) + (6 if 15 <= age < 22 else 0)
        found.append(
            {
                "start_ns": start, "duration_ns": step, "protocol": protocol, "sent": 100,
                "received": 100 - lost, "lost_forward": lost, "lost_backward": 0, "lost_unknown": 0,
                "late": 0, "duplicate": 0, "reordered": 0, "not_sent": 0, "loss_ratio": lost / 100,
                "rtt_min_ns": rtt * 0.98, "rtt_p50_ns": rtt, "rtt_p95_ns": rtt * 1.06,
                "rtt_mean_ns": rtt * 1.01, "rtt_max_ns": rtt * 1.4, "forward_p50_ns": rtt * 0.51,
                "forward_p95_ns": rtt * 0.54, "forward_mean_ns": rtt * 0.511,
                "backward_p50_ns": rtt * 0.49, "backward_p95_ns": rtt * 0.52,
                "clock_bound_ns": 5000.0, "timestamping": "kernel", "suspect": False,
                "flows": [
                    {"flow": flow, "sent": 12, "lost": lost if flow == 3 else 0, "rtt_p50_ns": rtt * (1.2 if flow == 3 else 1.0)}
                    for flow in range(8)
                ],
            }
        )  # fmt: skip
    return found
