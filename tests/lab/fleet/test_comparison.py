"""Verdicts beside the truth: what was found in the judged windows, what was sent in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foundation.text import Text
from lab.fleet.comparison import PathProbes, compare
from lab.fleet.stored import StoredWindows
from lab.fleet.table import table_lines
from lab.fleet.truth import Probes
from topology.model import Demand, Distance, Interface, Path, Source, Target

S, MS = 1_000_000_000, 1_000_000
PATH = Path(
    source=Interface(id="a.t.v4", site="a", carrier="t", address="10.0.0.1"),
    destination=Interface(id="b.t.v4", site="b", carrier="t", address="10.0.0.2"),
)
DEMAND = Demand(
    target=Target(
        name="mean",
        title=Text("t", "t"),
        source=Source(document=Text("d", "d")),
        kind="delay",
        limit_ms=5,
        statistic="mean",
        direction="round_trip",
        protocols=("icmp",),
    ),
    path=PATH,
    distance=Distance(
        great_circle_km=1,
        road_km=1,
        road_uncertainty_ratio=0.1,
        given=False,
        floor_ns=5e3,
        theoretical_ns=5e3,
    ),
    limit_ns=5 * MS,
)


def row_of(suspect: list[bool], **verdict: Any) -> Any:
    """Compare a verdict on two windows: 2 ms round trips in the first, 40 ms in the second."""
    count = 100
    sent_ns = np.arange(2 * count) * S // count
    zero = np.zeros(2 * count, np.int64)
    half = np.where(sent_ns < S, 1.0 * MS, 20.0 * MS)
    probes = Probes(zero, zero + 1, zero, sent_ns, half, half)
    windows = StoredWindows(
        stream_id=np.full(2, 7, np.uint64),
        start_ns=np.array([0, S]),
        duration_ns=np.full(2, S),
        sent=np.full(2, count),
        received_ns=np.full(2, 3 * S),
        rtt_p50_ns=np.array([2.0 * MS, 40.0 * MS]),
        suspect=np.array(suspect),
    )
    known = {"target": "mean", "path": PATH.id, "protocol": "icmp", **verdict}
    seen = PathProbes(probes, ["10.0.0.1", "10.0.0.2"])
    (row,) = compare([DEMAND], [known], seen, windows, {(PATH.id, "icmp"): 7})
    return row


@pytest.mark.parametrize(
    ("suspect", "expected", "truth_ms", "probes"),
    [([False, False], "fail", 21, 200), ([False, True], "pass", 2, 100)],
)
def test_truth_is_that_of_the_windows_a_verdict_rests_on(
    suspect: list[bool], expected: str, truth_ms: float, probes: int
) -> None:
    row = row_of(suspect, verdict="pass")
    assert (row.expected, row.truth_ns, row.probes) == (expected, truth_ms * MS, probes)


def test_what_was_found_counts_and_not_what_is_shown_until_it_is_confirmed() -> None:
    row = row_of([False, False], verdict="pass", pending="fail")
    assert (row.verdict, row.correct) == ("fail", True)


@pytest.mark.parametrize(
    ("verdict", "said"), [("undecided", "open"), ("no_data", "open"), ("pass", "NO")]
)
def test_what_is_left_open_is_not_called_wrong(verdict: str, said: str) -> None:
    row = row_of([False, False], verdict=verdict)
    assert row.correct is False
    assert table_lines([row], "en")[-1].split()[-1] == said
