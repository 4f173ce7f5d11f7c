"""A target's rule in few cells and in a sentence."""

from __future__ import annotations

from tui import documents as doc
from tui.figures import ABSENT
from tui.words import Words

ARROWS = {"one_way": "→", "round_trip": "⇄"}
STATISTICS = {
    "p50": "median",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
    "mean": "mean",
    "max": "maximum",
}
KINDS = {
    "delay": "delay",
    "loss": "loss",
    "delay_ratio": "delay ratio",
    "variation": "delay variation",
    "improvement": "improvement",
    "one_hop": "one-hop link",
    "inventory": "inventory",
    "comparison": "comparison",
    "ipv6_parity": "IPv6 parity",
    "group": "compliance rate",
}
DECLARED_KINDS = ("one_hop", "inventory")


def number(value: float) -> str:
    """Return a limit without needless zeros: 1, 1.5, 0.77."""
    return f"{value:g}"


def limit(target: doc.Target) -> str:
    """Return the limit alone: ``≤ 1 ms``, ``≤ 0.77 %``, ``≤ 1.5 ×``, ``≥ 80 % better``."""
    if target.limit_ms is not None:
        return f"≤ {number(target.limit_ms)} ms"
    if target.limit_ratio is None:
        return ABSENT
    if target.kind in ("delay_ratio", "comparison", "ipv6_parity"):
        return f"≤ {number(target.limit_ratio)} ×"
    if target.kind == "improvement":
        return f"↓ {number(round(target.limit_ratio * 100, 6))}%"
    return f"≤ {number(round(target.limit_ratio * 100, 6))}%"


def short_rule(target: doc.Target) -> str:
    """Return limit, direction and statistic in a table cell: ``≤ 1 ms → p95``."""
    if target.kind in (*DECLARED_KINDS, "group"):
        return ABSENT
    arrow = ARROWS.get(target.direction or "", "")
    statistic = target.statistic if target.kind in ("delay", "variation", "delay_ratio") else None
    return " ".join(part for part in (limit(target), arrow, statistic) if part)


def long_rule(target: doc.Target, words: Words) -> str:
    """Return the rule in words."""
    if target.kind in DECLARED_KINDS:
        return words("declared in the site file, not measured")
    if target.kind == "group":
        return words("pairs of sites: a pair passes if every one of its paths does")
    parts = [words("one way") if target.direction == "one_way" else words("round trip")]
    if not target.direction_stated:
        parts[0] += words(" (our reading; the plan does not say)")
    if target.kind in ("delay", "variation", "delay_ratio") and target.statistic:
        parts.append(words(STATISTICS.get(target.statistic, target.statistic)))
    parts.append(limit(target))
    return f"{words(KINDS.get(target.kind, target.kind))} · " + " · ".join(parts)
