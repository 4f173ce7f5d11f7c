"""Why a comparison or an improvement was judged as it was: one sentence, in both languages."""

import msgspec
import numpy as np
import pytest

from controller.documents.reasons import comparison_reason, improvement_reason
from controller.judge.comparing import Compared
from controller.judge.evidence import FAIL, NO_DATA, PASS, UNDECIDED
from controller.judge.pairing import Interval
from controller.live.baseline_comparator import Improved
from controller.live.snapshot import Snapshot
from foundation.text import Text
from topology.model import Demand

PARITY = "nanjing.telecom.v6>suzhou.telecom.v6"


def parity(now: Snapshot) -> Demand:
    return next(
        demand
        for demand in now.scope.demands
        if demand.target.kind == "ipv6_parity" and demand.path.id == PARITY
    )


def interval(point: float, low: float, high: float) -> Interval:
    return Interval(*(np.array([value]) for value in (point, low, high)))


def compared(verdict: int, *, windows: int = 20, lost: int = 0, sent: int = 2000) -> Compared:
    """Return one comparison: half as slow again, 2 ms more, a little more loss."""
    return Compared(
        verdict=np.array([verdict], np.int8),
        windows=np.array([windows]),
        delay_ratio=interval(1.5, 1.4, 1.6),
        delay_difference_ns=interval(2e6, -1e6, 3e6),
        loss_ratio=interval(1.0, 0.5, 2.0),
        loss_difference=interval(0.0, -0.01, 0.02),
        own_lost=np.array([lost]),
        own_sent=np.array([sent]),
        other_lost=np.array([0]),
        other_sent=np.array([sent]),
    )


async def test_figures_of_both_paths_are_said_with_what_they_are_compared_with(
    now: Snapshot,
) -> None:
    reason = comparison_reason(parity(now), compared(FAIL), 0, 0.0)
    assert "Delay 1.40–1.60 × that of IPv4, -1.00 ms to +3.00 ms apart" in reason.en
    assert "loss -1.00 to +2.00 percentage points apart; over 20 windows in common." in reason.en
    assert "时延为 IPv4 的 1.40–1.60 倍" in reason.zh


async def test_an_undecided_one_says_how_many_windows_would_decide(now: Snapshot) -> None:
    reason = comparison_reason(parity(now), compared(UNDECIDED), 0, 500.0)
    assert "undecided, about 5 more windows would decide" in reason.en
    vague = comparison_reason(parity(now), compared(UNDECIDED), 0, 0.0)
    assert "undecided, more windows are needed" in vague.en


async def test_a_path_that_loses_most_is_not_told_by_what_little_returned(now: Snapshot) -> None:
    reason = comparison_reason(parity(now), compared(FAIL, lost=1900), 0, 0.0)
    assert "(1,900 of 2,000)" in reason.en
    assert "×" not in reason.en
    nothing = comparison_reason(parity(now), compared(FAIL, windows=0), 0, 0.0)
    assert nothing.zh == "IPv6 没有任何应答。"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (PASS, "IPv6 可达；没有对应的 IPv4 路径。"),
        (FAIL, "IPv6 没有任何应答。"),
        (UNDECIDED, "探测包过少"),
        (NO_DATA, "尚未发出探测包。"),
    ],
)
async def test_ipv6_without_ipv4_beside_it_is_judged_by_reachability(
    now: Snapshot, verdict: int, said: str
) -> None:
    alone = msgspec.structs.replace(parity(now), other=None)
    assert said in comparison_reason(alone, compared(verdict), 0, 0.0).zh


async def test_an_improvement_without_a_baseline_says_how_to_seal_one(now: Snapshot) -> None:
    demand = now.scope.demands[0]
    reason = improvement_reason(demand, Improved(baseline=None, fault=None, found={}), 0)
    assert "isochrone controller baseline seal" in reason.en
    assert "isochrone controller baseline seal" in reason.zh
    fault = Text("The baseline is damaged.", "基线已损坏。")
    assert improvement_reason(demand, Improved(baseline=None, fault=fault, found={}), 0) == fault
