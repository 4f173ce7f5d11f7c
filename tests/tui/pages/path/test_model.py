"""The page of one path: its protocols, verdicts, limits, distances and figures."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tui import documents as doc
from tui.fleet import Fleet
from tui.pages.path import model
from tui.words import Words

EN = Words("en")


def text_of(lines: list[tuple[tuple[str, str], ...]]) -> list[str]:
    return ["".join(text for text, _ in spans) for spans in lines]


def path(**more: Any) -> doc.Path:
    ends = {"source": doc.End(site="suzhou"), "destination": doc.End(site="wuxi")}
    return doc.Path(id="p", **{**ends, **more})


def verdict(**more: Any) -> doc.Verdict:
    return doc.Verdict(target="t", path="p", **more)


def test_protocols_are_those_planned_or_measured_the_judged_one_first() -> None:
    stream = doc.StreamLine(stream_id="1", protocol="icmp")
    found = model.protocols(path(streams=[stream], figures={"tcp": None, "udp": None}))
    assert found == ("udp", "icmp", "tcp")
    assert model.protocols(path()) == ()


def test_verdicts_of_a_path_come_worst_first(fleet: Fleet) -> None:
    several = next(p for p, found in fleet.verdicts_by_path.items() if len(found) > 1)
    names = [each.verdict for each in model.verdicts(fleet, several)]
    assert names == sorted(names, key=["fail", "undecided", "no_data", "impossible", "pass"].index)
    assert model.verdicts(fleet, "gone") == ()


def test_limits_are_drawn_once_each_and_in_their_own_unit() -> None:
    entries = [
        verdict(limit_ns=5e6),
        verdict(limit_ns=1e6),
        verdict(limit_ns=5e6),
        verdict(limit_ratio=0.0077, unit="ratio"),
    ]
    assert model.limits_ms(entries) == (1.0, 5.0)
    assert model.limits_percent(entries) == (0.77,)


def test_a_verdict_says_interval_limit_what_decided_it_and_since_when(fleet: Fleet) -> None:
    entry = doc.Verdict(
        target="jiangsu-circle-1", path="p", verdict="fail", measured=1.2e6, low=1.1e6, high=1.3e6,
        limit_ns=1e6, direction="one_way", statistic="p95", limiting_factor="clock", sent=6000,
        other_reading=doc.OtherReading(direction="round_trip", measured=2.4e6),
        reason=doc.Title(en="Beyond the limit.", zh="超过限值。"), since_ns=0,
    )  # fmt: skip
    lines = text_of(model.verdict_lines(fleet, [entry], EN, dt.UTC))
    assert lines[0] == "✗ fail  1 ms circle: within a city"
    assert "1.20 ms [1.10 … 1.30 ms]  limit →1.00 ms  95th percentile" in lines[1]
    assert (
        lines[2] == "  round trip 2.40 ms  decided by the clock  6\u202f000 probes  since 00:00:00"
    )
    assert lines[3] == "  Beyond the limit."


def test_a_path_of_no_target_says_so(fleet: Fleet) -> None:
    assert text_of(model.verdict_lines(fleet, [], EN, None)) == ["No target applies to this path."]


def test_facts_tell_what_is_estimated_and_what_was_not_measured() -> None:
    distance = doc.Distance(
        great_circle_km=100, road_km=125, road_uncertainty_ratio=0.15, floor_ns=490_000
    )
    lines = text_of(model.facts(path(distance=distance, figures={"udp": None}), None, EN))
    assert "Road  125 km ±15% · estimated" in lines
    assert "Light-in-fibre floor  → 490 µs" in lines
    assert "Theoretical delay  → –" in lines
    assert "udp  no data" in lines


def test_one_way_delays_of_clocks_that_are_not_trusted_are_not_shown_as_delays() -> None:
    figures = doc.Figures(forward_p50_ns=7e9, backward_p50_ns=-7e9, one_way="relative")
    (line,) = text_of(model.facts(path(figures={"udp": figures}), None, EN))
    assert "→ ← unknown: clocks not trusted" in line
    assert "7" not in line
