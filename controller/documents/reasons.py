"""Why a comparison or an improvement was judged as it was, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from controller.judge.evidence import (
    FAIL,
    MOSTLY_LOST,
    PASS,
    UNDECIDED,
)
from controller.judge.formatting import delay, points, ratio_range
from controller.judge.pairing import MIN_PAIRS
from foundation.text import Text, counted
from topology.model import Demand

if TYPE_CHECKING:
    from controller.judge.comparing import Compared
    from controller.judge.pairing import Interval
    from controller.live.baseline_comparator import Improved


def comparison_reason(demand: Demand, found: Compared, i: int, needed_samples: float) -> Text:
    """Return why comparison `i` was judged as it was; `needed_samples`: what would decide it."""
    parity = demand.target.kind == "ipv6_parity"
    verdict = int(found.verdict[i])
    if demand.other is None:
        return _alone(parity, verdict)
    if found.windows[i] == 0:
        if parity and verdict == FAIL:
            return Text("There are no replies over IPv6.", "IPv6 没有任何应答。")
        return Text("The two paths have no common window yet.", "两条路径尚无共有的测量窗口。")
    sent, lost = int(found.own_sent[i]), int(found.own_lost[i])
    if verdict == FAIL and demand.target.indicator != "loss" and lost > MOSTLY_LOST * sent:
        return Text(
            f"Most probes were lost ({lost:,} of {sent:,}), but the reference path answers.",
            f"发出的探测包大部分丢失（{sent:,} 个中丢失 {lost:,} 个），而对比路径正常应答。",
        )
    return _beside(found, i, parity, verdict, needed_samples)


def _alone(parity: bool, verdict: int) -> Text:
    if not parity:
        return Text(
            "There is no reference path between the same two cities.",
            "相同两城市之间没有可供对比的路径。",
        )
    said = {
        PASS: Text(
            "Reachable over IPv6; there is no IPv4 path to compare with.",
            "IPv6 可达；没有对应的 IPv4 路径。",
        ),
        FAIL: Text("There are no replies over IPv6.", "IPv6 没有任何应答。"),
        UNDECIDED: Text(
            "There are no replies over IPv6 yet, but too few probes to tell.",
            "IPv6 尚无应答，但探测包过少，无法判定。",
        ),
    }
    return said.get(verdict, Text("No probe has been sent yet.", "尚未发出探测包。"))


def _beside(found: Compared, i: int, parity: bool, verdict: int, needed_samples: float) -> Text:
    times = _times(found.delay_ratio, i)
    gap = found.delay_difference_ns
    signed = [_signed(float(value[i])) for value in (gap.low, gap.high)]
    loss = [
        _points(float(value[i]))
        for value in (found.loss_difference.low, found.loss_difference.high)
    ]
    other = Text("IPv4", " IPv4 ") if parity else Text("the ordinary path", "普通路径")
    en = (
        f"Delay {times} that of {other.en}, {signed[0].en} to {signed[1].en} apart; "
        f"loss {loss[0]} to {loss[1]} percentage points apart; over "
        f"{counted(int(found.windows[i]), 'window')} in common"
    )
    zh = (
        f"时延为{other.zh}的 {times.removesuffix('×')}倍，相差 {signed[0].zh}至 {signed[1].zh}；"
        f"丢包率相差 {loss[0]} 至 {loss[1]} 个百分点；共有窗口 {found.windows[i]} 个"
    )
    ending = Text("", "")
    if verdict == UNDECIDED:
        ending = Text(": undecided, more windows are needed", "：无法判定，需要更多窗口")
        if needed_samples > 0:
            more = round(needed_samples * found.windows[i] / found.own_sent[i])
            ending = Text(
                f": undecided, about {counted(more, 'more window')} would decide",
                f"：无法判定，约还需 {more:,} 个窗口",
            )
    return Text(f"{en}{ending.en}.", f"{zh}{ending.zh}。")


def _times(interval: Interval, i: int) -> str:
    low, high = float(interval.low[i]), float(interval.high[i])
    return f"{low:.2f}–{high:.2f} ×" if np.isfinite(high) else f"≥ {low:.2f} ×"


def _signed(value_ns: float) -> Text:
    if not np.isfinite(value_ns):
        sign = "+" if value_ns > 0 else "-"
        return Text(f"{sign}∞", f"{sign}∞")
    sign = "+" if value_ns >= 0 else ""
    return Text(f"{sign}{delay(value_ns)}", f"{sign}{delay(value_ns, 'zh')}")


def _points(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{points(abs(value))}"


SHOWN_DIGITS = 12  # of a hash: enough to compare with what was noted when it was sealed


def improvement_reason(demand: Demand, improved: Improved, row: int) -> Text:
    """Return why an improvement demand was judged as it was."""
    if improved.fault is not None:
        return improved.fault
    if improved.baseline is None:
        return Text(
            "Needs a sealed baseline period to compare with; there is none yet "
            "(isochrone controller baseline seal).",
            "需要与封存的基线期对比，目前尚无基线（isochrone controller baseline seal）。",
        )
    name = improved.baseline.record.name
    if row not in improved.found:
        return Text("No stream measures this path.", "没有测量流覆盖这条路径。")
    found, unit = improved.found[row]
    cells, excluded = int(found.cells[unit]), int(found.excluded[unit])
    if np.isposinf(found.ratio.low[unit]):
        sent, lost = int(found.sent[unit]), int(found.lost[unit])
        return Text(
            f"Most probes sent since the baseline {name} were lost ({lost:,} of {sent:,}).",
            f"基线 {name} 以来发出的探测包大部分丢失（{sent:,} 个中丢失 {lost:,} 个）。",
        )
    if cells == 0 and (found.common[unit] == 0 or demand.target.direction == "round_trip"):
        return Text(
            f"The baseline {name} and the time since have no hour of the week in common on this "
            "path and Type-P.",
            f"在该路径与 Type-P 上，基线 {name} 与此后时段没有共有的周内小时。",
        )
    if cells == 0:
        return Text(
            f"No hour since the baseline {name} has synchronised clocks in both periods, which a "
            "one-way delay needs; undecided.",
            f"基线 {name} 以来没有一个小时在两个时段内时钟均已同步，而单向时延有此要求，无法判定。",
        )
    low, high = float(found.ratio.low[unit]), float(found.ratio.high[unit])
    of_loss = demand.target.indicator == "loss"
    what = Text("Loss", "丢包率") if of_loss else Text("Delay", "时延")
    if demand.target.direction == "one_way":
        what = Text(f"One-way {what.en.lower()}", f"单向{what.zh}")
    mix = Text("", "")
    if excluded:
        mix = Text(
            f"; left out: {counted(excluded, 'hour')} that only one side has",
            f"；仅一方具有的 {excluded} 个小时已剔除",
        )
    few = Text("", "")
    if cells < MIN_PAIRS and not of_loss:
        few = Text(
            f": undecided, at least {MIN_PAIRS} common hours are needed",
            f"：无法判定，至少需要 {MIN_PAIRS} 个共有小时",
        )
    figure, figure_zh = ratio_range(low, high), ratio_range(low, high, "zh")
    sealed = f"sha256 {improved.baseline.record.digest[:SHOWN_DIGITS]}"
    return Text(
        f"{what.en} {figure} of that in the baseline {name} ({sealed}), paired over "
        f"{counted(cells, 'hour')} "
        f"of the week{mix.en}{few.en}.",
        f"{what.zh}为基线 {name}（{sealed}）的 {figure_zh}，按周内 {cells} 个小时配对"
        f"{mix.zh}{few.zh}。",
    )
