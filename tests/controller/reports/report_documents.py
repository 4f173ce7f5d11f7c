"""What a controller answers of a small network, of which reports are made in tests."""

from typing import Any

import msgspec

from controller.documents.health import ControllerHealth
from controller.documents.path_schema import VerdictDocument
from controller.documents.places import SiteDocument
from controller.documents.remediation import RemediationDocument
from controller.documents.targets import GroupDocument, TargetDocument
from controller.reports.report import Answers

HOSTILE = "<script>alert('x')</script>&\"'"


VERDICTS = ("pass", "fail", "undecided", "impossible", "no_data")


def site(name: str, title: str) -> SiteDocument:
    return msgspec.convert(
        {
            "name": name,
            "title": {"en": title, "zh": title},
            "latitude_deg": 32.0,
            "longitude_deg": 118.0,
            "city": "nanjing",
            "metro": None,
            "province": None,
            "hub": None,
            "roles": [],
            "important": True,
            "external": False,
            "labels": [],
            "interfaces": [],
            "agent_state": "ok",
            "inventory": {},
        },
        SiteDocument,
    )


def verdict(kind: str, number: int, **changes: Any) -> VerdictDocument:
    given = {
        "target": "circle",
        "path": f"a.x.v4>b{number}.x.v4",
        "source_site": "a",
        "destination_site": "b",
        "source_carrier": "x",
        "destination_carrier": HOSTILE,
        "ip_version": 4,
        "protocol": "udp",
        "verdict": kind,
        "statistic": "p95",
        "direction": "one_way",
        "limit_ns": 1e6,
        "limit_ratio": None,
        "measured": None if kind == "no_data" else 0.9e6 + number,
        "low": None if kind == "no_data" else 0.8e6,
        "high": None,
        "unit": "ns",
        "other_reading": {"direction": "round_trip", "measured": 1.7e6},
        "floor_ns": 1e5,
        "sent": 100,
        "lost": 1,
        "limiting_factor": "value",
        "reason": {"en": f"because {HOSTILE}", "zh": f"因为 {HOSTILE}"},
        "since_ns": 0,
        "judged_ns": 0,
    }
    return msgspec.convert(given | changes, VerdictDocument)


def target(name: str = "circle", kind: str = "delay", **changes: Any) -> TargetDocument:
    given = {
        "name": name,
        "title": {"en": "Circle", "zh": "时延圈"},
        "source": {
            "document": {"en": "A plan", "zh": "《规划》"},
            "clause": {"en": HOSTILE, "zh": HOSTILE},
        },
        "kind": kind,
        "statistic": "p95",
        "direction": "one_way",
        "direction_stated": False,
        "limit_ms": 1.0,
        "limit_ratio": None,
        "goals": {"2025": 0.85, "2030": 0.95},
        "counts": dict.fromkeys(VERDICTS, 1),
        "maintenance": 0,
        "paths": 5,
        "compliance": {"ratio": 1 / 3, "low": 0.2, "high": 0.6, "decided": 3, "passed": 1},
        "goal_verdict": {"2025": "fail", "2030": "fail"},
        "declared": [],
    }
    return msgspec.convert(given | changes, TargetDocument)


def group(**changes: Any) -> GroupDocument:
    given = {
        "name": "circles",
        "title": {"en": "Compliance rate", "zh": "低时延达标率"},
        "source": {"document": {"en": "A plan", "zh": "《规划》"}},
        "targets": ["circle"],
        "pairs": 4,
        "paths": 5,
        "counts": dict.fromkeys(VERDICTS, 1),
        "maintenance": 0,
        "compliance": {"ratio": 0.5, "low": 0.25, "high": 0.75, "decided": 2, "passed": 1},
        "paths_compliance": None,
        "goals": {"2025": 0.85},
        "goal_verdict": {"2025": "fail"},
    }
    return msgspec.convert(given | changes, GroupDocument)


REMEDIATION: dict[str, Any] = {
    "name": "circles",
    "of": "pairs",
    "goal": 0.85,
    "year": "2025",
    "total": 4,
    "passed": 1,
    "needed": 3,
    "reachable": False,
    "best_ratio": 0.75,
    "paths": [
        {
            "target": "circle",
            "path": "a.x.v4>b.x.v4",
            "source_site": "a",
            "destination_site": "b",
            "source_carrier": HOSTILE,
            "destination_carrier": "x",
            "ip_version": 4,
            "verdict": "fail",
            "action": "fix",
            "measured": 1.1e6,
            "limit": 1e6,
            "unit": "ns",
            "margin_ratio": 0.1,
        }
    ],
    "by_carrier": [{"name": HOSTILE, "paths": 1}],
    "by_site": [{"name": "a", "paths": 1}],
}


def answers(**changes: Any) -> Answers:
    health = {
        "version": "0",
        "started_ns": 0,
        "now_ns": 10**18,
        "revision": 1,
        "judged_ns": 10**18,
        "judge_period_ms": 900_000,
    }
    given = {
        "health": _health(health),
        "sites": (site("a", HOSTILE), site("b", "B")),
        "agents": (),
        "targets": (
            target(),
            target(
                "srv6",
                "inventory",
                declared=[{"site": "a", "value": 12.5, "unit": HOSTILE}],
                compliance=None,
            ),
        ),
        "paths": (),
        "verdicts": tuple(verdict(kind, i) for i, kind in enumerate(VERDICTS)),
    }
    return Answers(**(given | changes))


class _Blank:
    """Stands for parts of the health that a report does not read."""


def _health(fields: dict[str, Any]) -> ControllerHealth:
    blank: Any = _Blank()
    return ControllerHealth(**fields, store=blank, ingest=blank, agents={})


def remediation(**changes: Any) -> RemediationDocument:
    return msgspec.convert(REMEDIATION | changes, RemediationDocument)
