"""The table at the end of a probe: every figure whole, and only columns that say something."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table

from agent.probe.figures import DELAY_KEYS, FLOW_KEYS
from agent.probe.output import (
    figures_table,
    flows_table,
    is_one_way_known,
    print_reasons,
    print_table,
)
from agent.probe.result import FlowResult, Pace, TargetResult
from foundation.text import Language, Text
from probes.channels.channel import FlowMark
from probes.remark import Remark

PATIENCE_S = 120


def result(target: str = "nanjing", **known: object) -> TargetResult:
    made = TargetResult(target=target, protocol="icmp", sent=10, received=10)
    made.rtt_ns = dict.fromkeys(DELAY_KEYS, 1e6)
    made.forward_ns = made.backward_ns = dict.fromkeys(DELAY_KEYS, math.nan)
    for name, value in known.items():
        setattr(made, name, value)
    return made


def shown(table: Table) -> list[list[str]]:
    console = Console(width=300)
    with console.capture() as capture:
        console.print(table)
    return [line.split() for line in capture.get().splitlines()]


def test_a_plain_run_has_no_columns_about_trouble() -> None:
    heading, row = shown(figures_table([result()], "en"))
    assert heading == [
        "target",
        "sent",
        "recv",
        "loss",
        "min",
        "p50",
        "p90",
        "p99",
        "max",
        "mean",
        "timestamps",
    ]
    assert row == ["nanjing", "10", "10", "0.0%", *["1.000"] * 6, "–"]


@pytest.mark.parametrize(
    ("known", "column"),
    [
        ({"unread": 1}, "unread"),
        ({"in_flight": 1}, "in flight"),
        ({"not_sent": {"no_route": 2}}, "not sent"),
        ({"pace": Pace(asked_rate=100.0, sent_rate=50.0, late=True)}, "rate kept"),
    ],
)
def test_trouble_of_one_target_is_a_column_of_all(known: dict[str, object], column: str) -> None:
    heading, *rows = shown(figures_table([result(), result("suzhou", **known)], "en"))
    assert column in " ".join(heading)
    assert len(rows) == 2


def test_what_did_not_leave_is_told_by_its_cause() -> None:
    table = figures_table([result(not_sent={"no_route": 2, "queue": 1}, asked=13)], "en")
    assert "3 (no route 2, queue 1)" in " ".join(shown(table)[1])


def test_a_percentile_that_falls_among_lost_probes_is_lost_and_an_absent_one_a_dash() -> None:
    delays = dict.fromkeys(DELAY_KEYS, 1e6) | {"p99": math.inf, "mean": math.nan}
    words: tuple[tuple[Language, str], ...] = (("en", "lost"), ("zh", "丢失"))
    for language, lost in words:
        row = shown(figures_table([result(rtt_ns=delays)], language))[1]
        assert row[4:] == ["1.000", "1.000", "1.000", lost, "1.000", "–", "–"]


@pytest.mark.parametrize(
    ("bound_ns", "odd", "known"),
    [(math.nan, {}, False), (25_000.0, {}, True), (25_000.0, {"clock": 3}, False)],
)
def test_one_way_figures_need_clocks_that_are_declared_and_not_given_the_lie(
    bound_ns: float, odd: dict[str, int], known: bool
) -> None:
    delays = dict.fromkeys(DELAY_KEYS, 4e5)
    made = result(
        forward_ns=delays, backward_ns=delays, clock_bound_ns=bound_ns, nonconforming_replies=odd
    )
    assert is_one_way_known(made) == known
    heading, row = shown(figures_table([made], "en"))
    assert ("forward" in heading) == known
    assert (row[-1] == "0.025") == known


def flow(number: int, label: int | None = None) -> FlowResult:
    made = FlowResult(flow=number, mark=FlowMark(mark=40_000 + number, label=label), sent=5)
    made.rtt_ns = dict.fromkeys(FLOW_KEYS, 1e6)
    return made


@pytest.mark.parametrize(("language", "name"), [("en", "identifier"), ("zh", "标识符")])
def test_flows_are_told_apart_by_what_their_protocol_has(language: Language, name: str) -> None:
    heading, first, second = shown(flows_table([result(flows=[flow(0), flow(1)])], language))
    assert name in heading
    assert (first[2], second[2]) == ("40000", "40001")
    labelled = shown(flows_table([result(flows=[flow(0, label=7)])], "en"))[0]
    assert "label" in labelled
    assert "label" not in shown(flows_table([result(flows=[flow(0)])], "en"))[0]


def test_what_somebody_else_named_steers_no_terminal() -> None:
    row = shown(figures_table([result("evil\x1b[2J", address="192.0.2.1")], "en"))[1]
    assert "\x1b" not in "".join(row)
    assert "(192.0.2.1)" in row


def test_reasons_are_told_on_standard_error_once_for_all_targets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = Text("{targets}: no route.", "{targets}：无路由。")
    error = Remark("no_route", words)
    print_reasons([result("a", error=error), result("b", error=error), result("c")])
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "isochrone: a, b: no route.\n"


def test_a_figure_is_never_cut_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delays = dict.fromkeys(("min", "p50", "p90", "p99", "max", "mean"), 205_790_000.0)
    result = TargetResult(
        target="a.long.name.example.net", protocol="icmp", sent=1000, received=1000, rtt_ns=delays
    )
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table([result])
    shown = capsys.readouterr().out
    assert shown.count("205.790") == 6
    assert "a.long.nam" in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_table_is_shown_whatever_the_terminals_encoding_lacks(encoding: str, language: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", "probe", "icmp", "127.0.0.1", "--count", "1"],
        capture_output=True,
        timeout=PATIENCE_S,
        env=os.environ | {"ISOCHRONE_LANG": language, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout.decode(encoding)
    assert b"Traceback" not in done.stderr
