# ruff: noqa: E501 - rows of facts read best as the table they are
"""A whole fleet in exactly the shapes of docs/reference/api.md: 18 sites, some 320 paths, every verdict."""

from __future__ import annotations

import math
import random
from typing import Any

NOW_NS = 1_790_000_000_000_000_000  # 2026-09-21 14:13:20 UTC
MS = 1e6

SITES = [
    # name, en, zh, city, metro, latitude, longitude, carriers
    ("nanjing-jiangbei", "Nanjing Jiangbei", "南京江北", "nanjing", "nanjing", 32.16, 118.72, "ct cu cm"),
    ("nanjing-yizhuang", "Nanjing Yizhuang", "南京仪庄", "nanjing", "nanjing", 31.95, 118.84, "ct"),
    ("suzhou", "Suzhou", "苏州工业园", "suzhou", "su-xi-chang", 31.32, 120.72, "ct cu"),
    ("wujiang", "Suzhou Wujiang", "苏州吴江", "suzhou", "su-xi-chang", 31.14, 120.64, "ct"),
    ("wuxi", "Wuxi", "无锡", "wuxi", "su-xi-chang", 31.57, 120.30, "ct"),
    ("changzhou", "Changzhou", "常州", "changzhou", "su-xi-chang", 31.81, 119.97, "ct"),
    ("zhenjiang", "Zhenjiang", "镇江", "zhenjiang", "nanjing", 32.19, 119.43, "ct"),
    ("yangzhou", "Yangzhou", "扬州", "yangzhou", "nanjing", 32.39, 119.41, "ct"),
    ("taizhou", "Taizhou", "泰州", "taizhou", None, 32.46, 119.92, "ct"),
    ("nantong", "Nantong", "南通", "nantong", None, 31.98, 120.89, "ct"),
    ("yancheng", "Yancheng Big-Data Park", "盐城大数据产业园", "yancheng", None, 33.35, 120.16, "ct"),
    ("yancheng-dongtai", "Yancheng Dongtai", "盐城东台", "yancheng", None, 32.87, 120.32, "ct"),
    ("huaian", "Huai'an", "淮安", "huaian", None, 33.61, 119.02, "ct"),
    ("xuzhou", "Xuzhou", "徐州", "xuzhou", None, 34.21, 117.28, "ct"),
    ("lianyungang", "Lianyungang", "连云港", "lianyungang", None, 34.60, 119.22, "ct"),
    ("suqian", "Suqian", "宿迁", "suqian", None, 33.96, 118.28, "ct"),
    ("shanghai", "Shanghai core", "上海核心节点", "shanghai", None, 31.23, 121.47, "ct"),
    ("hangzhou", "Hangzhou", "杭州", "hangzhou", None, 30.27, 120.16, "ct"),
]  # fmt: skip


def _text(en: str, zh: str) -> dict[str, str]:
    return {"en": en, "zh": zh}


_JIANGSU = {
    "document": _text(
        "Jiangsu special plan for computing infrastructure", "江苏省算力基础设施发展专项规划"
    ),
    "issuer": _text("Jiangsu", "江苏省"),
    "year": 2025,
    "clause": None,
}
_YANCHENG = {
    "document": _text(
        "Three-year action plan for computing power", "关于加快推进算力发展及应用的三年行动计划"
    ),
    "issuer": _text("Yancheng", "盐城市"),
    "year": 2024,
    "clause": None,
}
GOALS = {"2025": 0.85, "2030": 0.95}
# name, en, zh, kind, limit_ms, limit_ratio, direction, stated, goals, source, chooser
TARGETS: list[tuple[Any, ...]] = [
    ("jiangsu-circle-1", "1 ms circle: within a city", "1 毫秒时延圈：城区", "delay", 1.0, None, "one_way", False, GOALS, _JIANGSU, lambda a, b: a[3] == b[3]),
    ("jiangsu-circle-3", "3 ms circle: within a metropolitan area", "3 毫秒时延圈：都市圈、城市群", "delay", 3.0, None, "one_way", False, GOALS, _JIANGSU, lambda a, b: a[4] is not None and a[4] == b[4]),
    ("jiangsu-circle-5", "5 ms circle: across the province", "5 毫秒时延圈：全省", "delay", 5.0, None, "one_way", False, GOALS, _JIANGSU, lambda a, b: "hangzhou" not in (a[3], b[3])),
    ("yancheng-city", "Yancheng: within the city", "盐城：市内算力中心之间", "delay", 1.0, None, "one_way", True, {}, _YANCHENG, lambda a, b: a[3] == b[3] == "yancheng"),
    ("yancheng-shanghai", "Yancheng: to the Shanghai core node", "盐城：至上海核心节点", "delay", 4.0, None, "one_way", True, {}, _YANCHENG, lambda a, b: {a[3], b[3]} == {"yancheng", "shanghai"}),
    ("wuxi-too-far", "Wuxi: 0.4 ms to Xuzhou (cannot be)", "无锡：至徐州 0.4 毫秒（低于光速下限）", "delay", 0.4, None, "round_trip", True, {}, None, lambda a, b: {a[3], b[3]} == {"wuxi", "xuzhou"}),
    ("international-loss", "International channels: loss", "国际互联网数据专用通道：丢包率", "loss", None, 0.0077, "round_trip", False, {}, _JIANGSU, lambda a, b: a[3] == "nantong"),
]  # fmt: skip


def fleet_documents(seed: int = 7) -> dict[str, Any]:
    """Return route -> document, the same for the same seed."""
    return _Maker(random.Random(seed)).documents()


def _group() -> dict[str, Any]:
    counts = {"pass": 120, "fail": 12, "undecided": 9, "impossible": 0, "no_data": 12}
    return {
        "name": "jiangsu-circles", "title": _text("Low-latency compliance rate", "数据中心互联低时延达标率"),
        "source": _JIANGSU, "targets": ["jiangsu-circle-1", "jiangsu-circle-3", "jiangsu-circle-5"],
        "pairs": 153, "paths": 320, "counts": counts, "goals": GOALS,
        "compliance": {"ratio": 120 / 132, "low": 120 / 153, "high": 141 / 153, "decided": 132, "passed": 120},
        "paths_compliance": None, "goal_verdict": {"2025": "undecided", "2030": "fail"},
    }  # fmt: skip


def target_page(name: str, *, pairs: bool) -> dict[str, Any]:
    """Return remedy and ring of a target."""
    path = {
        "target": name, "path": "nanjing-jiangbei.ct.v4>nanjing-yizhuang.ct.v4",
        "source_site": "nanjing-jiangbei", "destination_site": "nanjing-yizhuang",
        "source_carrier": "ct", "destination_carrier": "ct", "ip_version": 4, "verdict": "fail",
        "action": "fix", "measured": 1.1 * MS, "limit": 1.0 * MS, "unit": "ns", "margin_ratio": 0.1,
    }  # fmt: skip
    remedy = {
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
    return {"remedy": remedy, "ring": ring}


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
            "title": _text(site[1], site[2]),
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
            "text": _text(
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
                "stamping": "kernel" if number != 8 else "user",
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
                "stamping": "kernel", "last_window_ns": NOW_NS - 4_000_000_000,
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
                    {"stream_id": len(self.paths) * 2, "protocol": "udp", "type_p": "UDP/IPv4 64 B DSCP 0 port 862", "interval_ms": 100.0},
                    {"stream_id": len(self.paths) * 2 + 1, "protocol": "icmp", "type_p": "ICMP/IPv4 64 B DSCP 0", "interval_ms": 500.0},
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
        name, term, measured, low, high = "no_data", "none", None, None, None
        if figures is not None:
            measured = figures["loss_ratio"] if loss else figures["forward_p95_ns"] * ways
            spread = 0.004 if loss else measured * 0.004 + 5_000
            if "taizhou" in (a[0], b[0]) and not loss:
                spread = limit  # its clock is not to be trusted
                term = "clock"
            low, high = max(0.0, measured - spread), measured + spread
            name = "pass" if high <= limit else "fail" if low > limit else "undecided"
            term = "value" if name in ("pass", "fail") else term if term == "clock" else "samples"
        if not loss and limit < distance["floor_ns"] * ways:
            name, term = "impossible", "floor"
        return {
            "target": target[0], "path": path_id, "source_site": a[0], "destination_site": b[0],
            "source_carrier": carrier, "destination_carrier": far, "ip_version": 4,
            "protocol": None if figures is None else "udp", "verdict": name,
            "statistic": None if loss else "p95", "direction": target[6],
            "limit_ns": None if loss else limit, "limit_ratio": limit if loss else None,
            "measured": measured, "low": low, "high": high, "unit": "ratio" if loss else "ns",
            "other_reading": None if loss or measured is None else {"direction": "round_trip" if ways == 1 else "one_way", "measured": measured * (2 if ways == 1 else 0.5)},
            "floor_ns": distance["floor_ns"] * ways, "sent": None if figures is None else 6000,
            "lost": None if figures is None else figures["lost"], "deciding_term": term,
            "reason": _REASONS[name], "since_ns": NOW_NS - 600_000_000_000,
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
            "name": target[0], "title": _text(target[1], target[2]), "source": target[9],
            "kind": target[3], "statistic": "p95", "direction": target[6],
            "direction_stated": target[7], "limit_ms": target[4], "limit_ratio": target[5],
            "goals": target[8], "counts": counts, "paths": len(mine), "compliance": compliance,
            "goal_verdict": {year: _goal(compliance, share) for year, share in target[8].items()},
            "declared": [],
        }  # fmt: skip


_REASONS = {
    "pass": _text(
        "The whole interval lies within the limit.", "整个置信区间都在限值之内，判定达标。"
    ),
    "fail": _text(
        "The whole interval lies beyond the limit.", "整个置信区间都超过限值，判定不达标。"
    ),
    "undecided": _text(
        "The limit lies inside the interval; a better clock or more samples would decide it.",
        "限值落在置信区间之内；需要更准的时钟或更多样本才能判定。",
    ),
    "impossible": _text(
        "The limit is below light in fibre over the great circle.",
        "限值低于大圆距离上的光纤传播时延。",
    ),
    "no_data": _text("Nothing has been measured yet.", "尚无测量数据。"),
}


def _goal(compliance: dict[str, Any] | None, share: float) -> str:
    if compliance is None:
        return "no_data"
    if compliance["low"] >= share:
        return "pass"
    return "fail" if compliance["high"] < share else "undecided"


def _declared() -> list[dict[str, Any]]:
    base = {
        "source": _JIANGSU, "statistic": None, "direction": None, "direction_stated": False,
        "limit_ms": None, "limit_ratio": None, "compliance": None, "goal_verdict": {}, "paths": 0,
        "counts": {"pass": 0, "fail": 0, "undecided": 0, "impossible": 0, "no_data": 0},
    }  # fmt: skip
    return [
        {
            **base, "name": "jiangsu-otn", "title": _text("OTN coverage", "OTN 覆盖率"),
            "kind": "inventory", "goals": {"2025": 0.9, "2030": 0.95},
            "declared": [
                {"site": "nanjing-jiangbei", "value": 92.0, "unit": "%"},
                {"site": "suzhou", "value": 95.0, "unit": "%"},
            ],
        },
        {
            **base, "name": "yancheng-one-hop", "title": _text("One-hop direct to Shanghai and Nanjing", "至上海、南京一跳直连"),
            "kind": "one_hop", "goals": {}, "source": _YANCHENG,
            "declared": [{"site": "yancheng", "value": True, "unit": None}, {"site": "yancheng-dongtai", "value": None, "unit": None}],
        },
    ]  # fmt: skip


def _great_circle_km(a: tuple[Any, ...], b: tuple[Any, ...]) -> float:
    lat_a, lat_b = math.radians(a[5]), math.radians(b[5])
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b[6] - a[6]) / 2) ** 2
    return round(2 * 6371.0 * math.asin(math.sqrt(half)), 2)


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
                "late": 0, "duplicate": 0, "reordered": 0, "local_drop": 0, "loss_ratio": lost / 100,
                "rtt_min_ns": rtt * 0.98, "rtt_p50_ns": rtt, "rtt_p95_ns": rtt * 1.06,
                "rtt_mean_ns": rtt * 1.01, "rtt_max_ns": rtt * 1.4, "forward_p50_ns": rtt * 0.51,
                "forward_p95_ns": rtt * 0.54, "forward_mean_ns": rtt * 0.511,
                "backward_p50_ns": rtt * 0.49, "backward_p95_ns": rtt * 0.52,
                "clock_bound_ns": 5000.0, "stamping": "kernel", "suspect": False,
                "flows": [
                    {"flow": flow, "sent": 12, "lost": lost if flow == 3 else 0, "rtt_p50_ns": rtt * (1.2 if flow == 3 else 1.0)}
                    for flow in range(8)
                ],
            }
        )  # fmt: skip
    return found
