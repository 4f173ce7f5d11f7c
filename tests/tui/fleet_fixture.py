# ruff: noqa: E501 - rows of facts read best as the table they are
"""A whole fleet in exactly the shapes of docs/reference/api.md: 18 sites, some 320 paths, every verdict."""

from __future__ import annotations

import math
import random
from typing import Any

from fleet_facts import GOALS, JIANGSU, MS, NOW_NS, REASONS, SITES, TARGETS, YANCHENG, text


def fleet_documents(seed: int = 7) -> dict[str, Any]:
    """Return route -> document, the same for the same seed."""
    return _Maker(random.Random(seed)).documents()


def _group() -> dict[str, Any]:
    counts = {"pass": 120, "fail": 12, "undecided": 9, "impossible": 0, "no_data": 12}
    return {
        "name": "jiangsu-circles", "title": text("Low-latency compliance rate", "数据中心互联低时延达标率"),
        "source": JIANGSU, "targets": ["jiangsu-circle-1", "jiangsu-circle-3", "jiangsu-circle-5"],
        "pairs": 153, "paths": 320, "counts": counts, "goals": GOALS,
        "compliance": {"ratio": 120 / 132, "low": 120 / 153, "high": 141 / 153, "decided": 132, "passed": 120},
        "paths_compliance": None, "goal_verdict": {"2025": "undecided", "2030": "fail"},
    }  # fmt: skip


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.paths: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []

    def documents(self) -> dict[str, Any]:
        for a in SITES:
            for b in SITES:
                if a is not b:
                    for carrier in a[7].split():
                        self._path(a, b, carrier, "ct" if carrier not in b[7].split() else carrier)
        return {
            "health": self._health(),
            "sites": [self._site(site) for site in SITES],
            "agents": [self._agent(number, site) for number, site in enumerate(SITES)],
            "targets": [*(self._target(target) for target in TARGETS), *_declared()],
            "groups": [_group()],
            "paths": self.paths,
            "verdicts": self.verdicts,
        }

    def _health(self) -> dict[str, Any]:
        return {
            "version": "0.1.0",
            "started_ns": NOW_NS - 3_600_000_000_000,
            "now_ns": NOW_NS,
            "revision": 42,
            "judged_ns": NOW_NS - 1_000_000_000,
            "judge_period_ms": 2000,
            "store": {
                "engine": "sqlite",
                "state": "ok",
                "reason": None,
                "queued_writes": 0,
                "size_bytes": 12_345_678,
                "free_bytes": 99_999_999_999,
            },
            "ingest": {
                "chunks": 900,
                "windows": 90_000,
                "duplicates": 0,
                "bytes": 9,
                "refused": {},
            },
            "agents": {"ok": 15, "late": 1, "agent_down": 1, "never_seen": 1},
            "warnings": [],
        }

    def _site(self, site: tuple[Any, ...]) -> dict[str, Any]:
        return {
            "name": site[0],
            "title": text(site[1], site[2]),
            "latitude_deg": site[5],
            "longitude_deg": site[6],
            "city": site[3],
            "metro": site[4],
            "province": "jiangsu",
            "hub": None,
            "roles": ["data_centre"],
            "important": True,
            "external": False,
            "labels": [],
            "interfaces": [],
            "agent_state": "ok",
            "inventory": {},
        }

    def _clock(self, name: str) -> dict[str, Any]:
        """Return what the mesh says: Nantong's clock is 2 ms off and does not say so."""
        false = name == "nantong"
        return {
            "suspected": false,
            "offset_ns": 2.104 * MS if false else 0.02 * MS,
            "error_ns": 0.031 * MS,
            "pairs": 17,
            "triangles": 136,
        }

    def _agent(self, number: int, site: tuple[Any, ...]) -> dict[str, Any]:
        state = {13: "late", 15: "agent_down", 17: "never_seen"}.get(number, "ok")
        never = state == "never_seen"
        behind_s = {"ok": 2, "late": 45, "agent_down": 900}.get(state, 0)
        condition = {
            "code": "clock_not_synchronised",
            "severity": "warning",
            "text": text(
                "The clock is not synchronised; one-way delay stays undecided.",
                "时钟未同步；单向时延无法判定。",
            ),
        }
        return {
            "name": site[0],
            "state": state,
            "last_seen_ns": None if never else NOW_NS - behind_s * 1_000_000_000,
            "plan_version": None if never else 7 if number != 4 else 6,
            "wanted_plan_version": 7,
            "last_window_ns": None if never else NOW_NS - (behind_s + 3) * 1_000_000_000,
            "windows_stored": None if never else 5000 + number,
            "clock": None if never else self._clock(site[0]),
            "health": None
            if never
            else {
                "version": "0.1.0",
                "boot": "b00t",
                "started_ns": NOW_NS - 3_600_000_000_000,
                "sent_ns": NOW_NS - behind_s * 1_000_000_000,
                "plan_version": 7,
                "streams": 34,
                "timestamping": "kernel" if number != 8 else "user",
                "calibration_ns": 500,
                "clock_source": "declared" if number != 8 else "unknown",
                "clock_bound_ns": 5000 if number != 8 else None,
                "probes_sent": 100_000,
                "probes_received": 99_900,
                "probes_reflected": 50_000,
                "spool_chunks": 0 if state == "ok" else 40,
                "spool_bytes": 0 if state == "ok" else 3_400_000,
                "spool_dropped_windows": 0,
                "cpu_ratio": 0.013 + number / 1000,
                "resident_bytes": 61_000_000 + number,
                "conditions": [condition] if number == 8 else [],
            },
        }

    def _path(self, a: tuple[Any, ...], b: tuple[Any, ...], carrier: str, far: str) -> None:
        km = _great_circle_km(a, b)
        road_km = max(1.0, km * 1.25)
        one_way_ns = (road_km / 204.0 + 0.12) * MS * (1.9 if carrier != far else 1.0)
        if self.chance.random() < 0.07:
            one_way_ns *= 2.2
        ends = [
            {"site": site[0], "interface": f"{site[0]}.{who}.v4", "carrier": who, "address": f"10.{SITES.index(site)}.{['ct', 'cu', 'cm'].index(who)}.1"}
            for site, who in ((a, carrier), (b, far))
        ]  # fmt: skip
        path_id = f"{ends[0]['interface']}>{ends[1]['interface']}"
        dead = "suqian" in (a[0], b[0]) or a[0] == "hangzhou"
        noise = self.chance.uniform(0.98, 1.05)
        loss = 0.021 if self.chance.random() < 0.04 else round(self.chance.uniform(0, 0.002), 5)
        figures = None
        if not dead:
            figures = {
                "sent": 6000, "received": 6000 - round(loss * 6000), "lost": round(loss * 6000),
                "loss_ratio": round(loss * 6000) / 6000,
                "rtt_p50_ns": 2 * one_way_ns, "rtt_p95_ns": 2 * one_way_ns * noise + 20_000,
                "rtt_mean_ns": 2 * one_way_ns * 1.01, "forward_p50_ns": one_way_ns,
                "forward_p95_ns": one_way_ns * noise, "backward_p50_ns": one_way_ns * 1.002,
                "timestamping": "kernel", "last_window_ns": NOW_NS - 4_000_000_000,
            }  # fmt: skip
        distance = {
            "great_circle_km": km, "road_km": road_km, "road_uncertainty_ratio": 0.15, "given": False,
            "floor_ns": km / 204.0 * MS, "theoretical_ns": road_km / 204.0 * MS,
        }  # fmt: skip
        made = [
            self._verdict(target, path_id, a, b, carrier, far, figures, distance)
            for target in TARGETS
            if target[10](a, b)
        ]
        order = ("fail", "undecided", "no_data", "impossible", "pass")
        worst = min((v["verdict"] for v in made), key=order.index, default=None)
        state = {"fail": "failing", "undecided": "undecided", "no_data": "no_data"}.get(worst or "")
        self.verdicts += made
        self.paths.append(
            {
                "id": path_id, "source": ends[0], "destination": ends[1], "ip_version": 4,
                "between_carriers": carrier != far, "distance": distance,
                "streams": [
                    {"stream_id": str(len(self.paths) * 2), "protocol": "udp", "type_p": "UDP/IPv4 64 B DSCP 0 port 862", "interval_ms": 100.0},
                    {"stream_id": str(len(self.paths) * 2 + 1), "protocol": "icmp", "type_p": "ICMP/IPv4 64 B DSCP 0", "interval_ms": 500.0},
                ],
                "state": "agent_down" if a[0] == "suqian" else "no_data" if dead else state or "ok",
                "worst_verdict": worst, "figures": {"udp": figures, "icmp": figures},
            }
        )  # fmt: skip

    def _verdict(
        self, target: tuple[Any, ...], path_id: str, a: Any, b: Any, carrier: str, far: str,
        figures: dict[str, Any] | None, distance: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        loss = target[3] == "loss"
        ways = 2 if target[6] == "round_trip" else 1
        limit = target[5] if loss else target[4] * MS
        name, factor, measured, low, high = "no_data", "none", None, None, None
        if figures is not None:
            measured = figures["loss_ratio"] if loss else figures["forward_p95_ns"] * ways
            spread = 0.004 if loss else measured * 0.004 + 5_000
            if "taizhou" in (a[0], b[0]) and not loss:
                spread = limit  # its clock cannot be trusted
                factor = "clock"
            low, high = max(0.0, measured - spread), measured + spread
            name = "pass" if high <= limit else "fail" if low > limit else "undecided"
            factor = (
                "value" if name in ("pass", "fail") else factor if factor == "clock" else "samples"
            )
        if not loss and limit < distance["floor_ns"] * ways:
            name, factor = "impossible", "floor"
        return {
            "target": target[0], "path": path_id, "source_site": a[0], "destination_site": b[0],
            "source_carrier": carrier, "destination_carrier": far, "ip_version": 4,
            "protocol": None if figures is None else "udp", "verdict": name,
            "statistic": None if loss else "p95", "direction": target[6],
            "limit_ns": None if loss else limit, "limit_ratio": limit if loss else None,
            "measured": measured, "low": low, "high": high, "unit": "ratio" if loss else "ns",
            "other_reading": None if loss or measured is None else {"direction": "round_trip" if ways == 1 else "one_way", "measured": measured * (2 if ways == 1 else 0.5)},
            "floor_ns": distance["floor_ns"] * ways, "sent": None if figures is None else 6000,
            "lost": None if figures is None else figures["lost"], "limiting_factor": factor,
            "reason": REASONS[name], "since_ns": NOW_NS - 600_000_000_000,
            "judged_ns": NOW_NS - 1_000_000_000,
        }  # fmt: skip

    def _target(self, target: tuple[Any, ...]) -> dict[str, Any]:
        mine = [v["verdict"] for v in self.verdicts if v["target"] == target[0]]
        names = ("pass", "fail", "undecided", "impossible", "no_data")
        counts = {name: mine.count(name) for name in names}
        decided = counts["pass"] + counts["fail"]
        total = len(mine) - counts["impossible"]
        compliance = None
        if decided:
            compliance = {
                "ratio": counts["pass"] / decided,
                "low": counts["pass"] / total,
                "high": (total - counts["fail"]) / total,
                "decided": decided,
                "passed": counts["pass"],
            }
        return {
            "name": target[0], "title": text(target[1], target[2]), "source": target[9],
            "kind": target[3], "statistic": "p95", "direction": target[6],
            "direction_stated": target[7], "limit_ms": target[4], "limit_ratio": target[5],
            "goals": target[8], "counts": counts, "paths": len(mine), "compliance": compliance,
            "goal_verdict": {year: _goal(compliance, share) for year, share in target[8].items()},
            "declared": [],
        }  # fmt: skip


def _goal(compliance: dict[str, Any] | None, share: float) -> str:
    if compliance is None:
        return "no_data"
    if compliance["low"] >= share:
        return "pass"
    return "fail" if compliance["high"] < share else "undecided"


def _declared() -> list[dict[str, Any]]:
    base = {
        "source": JIANGSU, "statistic": None, "direction": None, "direction_stated": False,
        "limit_ms": None, "limit_ratio": None, "compliance": None, "goal_verdict": {}, "paths": 0,
        "counts": {"pass": 0, "fail": 0, "undecided": 0, "impossible": 0, "no_data": 0},
    }  # fmt: skip
    return [
        {
            **base, "name": "jiangsu-otn", "title": text("OTN coverage", "OTN 覆盖率"),
            "kind": "inventory", "goals": {"2025": 0.9, "2030": 0.95},
            "declared": [
                {"site": "nanjing-jiangbei", "value": 92.0, "unit": "%"},
                {"site": "suzhou", "value": 95.0, "unit": "%"},
            ],
        },
        {
            **base, "name": "yancheng-one-hop", "title": text("One-hop direct to Shanghai and Nanjing", "至上海、南京一跳直连"),
            "kind": "one_hop", "goals": {}, "source": YANCHENG,
            "declared": [{"site": "yancheng", "value": True, "unit": None}, {"site": "yancheng-dongtai", "value": None, "unit": None}],
        },
    ]  # fmt: skip


def _great_circle_km(a: tuple[Any, ...], b: tuple[Any, ...]) -> float:
    lat_a, lat_b = math.radians(a[5]), math.radians(b[5])
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b[6] - a[6]) / 2) ** 2
    return round(2 * 6371.0 * math.asin(math.sqrt(half)), 2)
