"""A verdict with its interval and its reason; what is unknown, old or at rest says so."""

from dataclasses import replace

import numpy as np
import pytest

from controller.documents.verdicts import verdict_document, verdict_name
from controller.judge.evidence import FAIL, NO_DATA, VERDICTS
from controller.live.snapshot import Snapshot

THERE = "nanjing.telecom.v4>suzhou.telecom.v4"
BACK = "suzhou.telecom.v4>nanjing.telecom.v4"
PARITY = "nanjing.telecom.v6>suzhou.telecom.v6"


def row_of(now: Snapshot, path: str, target: str = "jiangsu-circle-5") -> int:
    return next(
        row
        for row, demand in enumerate(now.scope.demands)
        if (demand.path.id, demand.target.name) == (path, target)
    )


def changed(now: Snapshot, row: int, **columns: object) -> Snapshot:
    """Return a snapshot whose round has other values in one row."""
    made = {name: getattr(now.round, name).copy() for name in columns}
    for name, value in columns.items():
        made[name][row] = value
    return replace(now, round=replace(now.round, **made))


async def test_a_verdict_has_its_figure_within_its_interval_and_the_other_reading(
    now: Snapshot,
) -> None:
    found = verdict_document(now, row_of(now, THERE))
    assert (found.verdict, found.unit, found.limit_ns, found.protocol) == ("pass", "ns", 5e6, "udp")
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 2e6 <= found.high <= 5e6
    assert found.other_reading is not None
    assert found.other_reading.direction == "round_trip"
    assert found.other_reading.measured == pytest.approx(4e6)
    assert found.reason.zh == "单向 P95 为 2.00 毫秒，在 5 毫秒以内。"


async def test_what_nobody_measured_has_no_figure_no_age_and_no_pass(now: Snapshot) -> None:
    found = verdict_document(now, row_of(now, BACK))
    assert (found.verdict, found.measured, found.low, found.other_reading) == (
        "no_data",
        None,
        None,
        None,
    )
    assert (found.sent, found.evidence_ns, found.evidence_age_ms) == (0, None, None)


async def test_a_comparison_names_the_other_path_and_the_windows_in_common(now: Snapshot) -> None:
    found = verdict_document(now, row_of(now, PARITY, "jiangsu-ipv6-parity"))
    assert found.comparison is not None
    assert found.comparison.other_path == THERE
    assert (found.comparison.windows, found.comparison.delay_ratio.measured) == (3, 1.0)
    assert found.unit == "ratio"
    assert verdict_document(now, row_of(now, THERE)).comparison is None


async def test_in_maintenance_the_verdict_before_stands_and_does_not_count(now: Snapshot) -> None:
    row = row_of(now, THERE)
    found = verdict_document(changed(now, row, maintenance=True), row)
    assert (found.verdict, found.maintenance) == ("pass", True)
    assert "does not count" in found.reason.en


async def test_a_change_waits_for_the_next_round_and_says_so(now: Snapshot) -> None:
    row = row_of(now, THERE)
    found = verdict_document(changed(now, row, found=FAIL), row)
    assert (found.verdict, found.pending) == ("pass", "fail")
    assert found.reason.en.startswith("Waits for the next round")


async def test_evidence_that_is_too_old_is_no_data_with_its_age(now: Snapshot) -> None:
    row = row_of(now, THERE)
    then = changed(now, row, found=NO_DATA, stale=True)
    then = replace(then, at_ns=now.at_ns + 600 * 10**9)
    found = verdict_document(then, row)
    assert (found.stale, found.evidence_age_ms, found.max_age_ms) == (True, 600_000, 120_000)
    assert "Nothing was measured for 600 s" in found.reason.en


def test_every_code_has_its_name() -> None:
    assert [verdict_name(np.int8(code)) for code in range(len(VERDICTS))] == list(VERDICTS)
