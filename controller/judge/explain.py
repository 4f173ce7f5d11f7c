"""The reason of one judgement as a sentence, in English and Chinese, with figures and units."""

from __future__ import annotations

import math

from controller.judge.evidence import (
    CLOCK_FAULTS,
    DIRECTIONS,
    FAIL,
    IMPOSSIBLE,
    KINDS,
    LIMITING_FACTORS,
    NO_DATA,
    PASS,
    STATISTICS,
    Evidence,
    Judgements,
    Rules,
)
from controller.judge.formatting import delay, delay_range, limit_delay, ratio, ratio_range
from controller.judge.one_way import is_faster_than_light
from foundation.text import Text

_STATISTIC_EN = ("median", "p90", "p95", "p99", "p99.9", "mean", "maximum")
_STATISTIC_ZH = ("中位数", " P90 ", " P95 ", " P99 ", " P99.9 ", "平均值", "最大值")
_UNMEASURED = {
    "improvement": Text(
        "Needs a sealed baseline period to compare with; there is none yet.",
        "需要与封存的基线期对比，目前尚无基线。",
    ),
    "one_hop": Text("Declared in the site file, not measured.", "由站点文件申报，未经测量。"),
    "inventory": Text("Declared in the site file, not measured.", "由站点文件申报，未经测量。"),
}
_FAULTS = {
    "forward_too_fast": Text(
        "the fastest probe would have been faster than light in fibre, so a clock is wrong, not "
        "the path",
        "最快的探测包比光纤中的光还快，说明时钟有误，而非路径问题",
    ),
    "backward_too_fast": Text(
        "the way back would have been faster than light in fibre, so a clock is wrong, not the "
        "path",
        "返程比光纤中的光还快，说明时钟有误，而非路径问题",
    ),
    "longer_than_round_trip": Text(
        "the way there would take longer than the whole round trip, so a clock is wrong",
        "去程竟长于整个往返，说明时钟有误",
    ),
    "refuted_by_mesh": Text(
        "the clock at one end is suspected: other paths show that it is off by more than it claims",
        "一端的时钟可疑：其他路径表明其误差超出所声明的范围",
    ),
    "broken_timestamps": Text(
        "the two ways do not add up to the round trip, so the timestamps are not trusted",
        "去程与返程之和不等于往返时延，时间戳不可信",
    ),
}


def explain(evidence: Evidence, rules: Rules, judgements: Judgements, i: int) -> Text:
    """Return why rule `i` was judged as it was."""
    verdict, kind = int(judgements.verdict[i]), KINDS[rules.kind[i]]
    if verdict == IMPOSSIBLE:
        return _impossible(evidence, rules, i)
    if verdict == NO_DATA:
        return _no_data(rules, i, kind)
    if judgements.lost[i] == judgements.sent[i]:
        sent = int(judgements.sent[i])
        return Text(
            f"{'The one probe was' if sent == 1 else f'All {sent:,} probes were'} lost: there was "
            f"no reply.",
            f"发出的 {sent:,} 个探测包全部丢失，没有任何应答。",
        )
    if kind == "loss":
        return _loss(rules, judgements, i)
    reason = _delay(evidence, rules, judgements, i)
    row = int(rules.row[i])
    if not is_faster_than_light(
        evidence, slice(row, row + 1)
    ).any():  # one row: pages explain thousands
        return reason
    return Text(
        f"{reason.en} The fastest round trip was faster than light in fibre between the two "
        f"sites, so their positions are not trusted: check the coordinates in the site file.",
        f"{reason.zh}最快的往返比两站点间光纤中的光还快，站点位置不可信：请核对站点文件中的坐标。",
    )


def _impossible(evidence: Evidence, rules: Rules, i: int) -> Text:
    limit, row = rules.limit[i], int(rules.row[i])
    trips = 1 if DIRECTIONS[rules.direction[i]] == "one_way" else 2
    floor = evidence.floor_ns[row] * trips if 0 <= row < evidence.rows else math.nan
    if not floor > 0:
        return Text(
            f"Light in fibre needs longer than {limit_delay(limit)}, whatever the network does.",
            f"光在光纤中的传播时间已超过 {limit_delay(limit, 'zh')}，任何网络都无法达到。",
        )
    way, way_zh = ("one way", "单程") if trips == 1 else ("there and back", "往返")
    return Text(
        f"Light in fibre needs {delay(floor)} {way}; no network can meet {limit_delay(limit)}.",
        f"光在光纤中{way_zh}就需要 {delay(floor, 'zh')}，"
        f"任何网络都无法达到 {limit_delay(limit, 'zh')}。",
    )


def _no_data(rules: Rules, i: int, kind: str) -> Text:
    if kind in _UNMEASURED:
        return _UNMEASURED[kind]
    if rules.row[i] < 0:
        return Text("No stream measures this path.", "没有测量流覆盖这条路径。")
    if math.isnan(rules.limit[i]):
        return Text("The target gives no limit.", "该指标未给出限值。")
    return Text("No probe was sent in the judged period.", "判定时段内没有发出探测包。")


def _loss(rules: Rules, judgements: Judgements, i: int) -> Text:
    low, high, limit = judgements.low[i], judgements.high[i], rules.limit[i]
    sent, lost = int(judgements.sent[i]), int(judgements.lost[i])
    one_way = DIRECTIONS[rules.direction[i]] == "one_way"
    en = f"{'one-way ' if one_way else ''}loss {ratio_range(low, high)} ({lost:,} of {sent:,})"
    counted_zh = f"（{sent:,} 个中丢失 {lost:,} 个）"
    zh = f"{'单向' if one_way else ''}丢包率为 {ratio_range(low, high, 'zh')}{counted_zh}"
    reason = Text(en[0].upper() + en[1:], zh)
    ending = _conclusion(judgements, i, Text(ratio(limit), ratio(limit, "zh")), delay_kind=False)
    return Text(f"{reason.en}, {ending.en}.", f"{reason.zh}，{ending.zh}。")


def _delay(evidence: Evidence, rules: Rules, judgements: Judgements, i: int) -> Text:
    low, high, limit = judgements.low[i], judgements.high[i], rules.limit[i]
    subject = _subject(rules, i)
    figure = Text(delay_range(low, high), delay_range(low, high, "zh"))
    gap = " " if figure.zh[0].isascii() else ""  # 为 0.82, but 为不低于
    ending = _conclusion(
        judgements,
        i,
        Text(limit_delay(limit), limit_delay(limit, "zh")),
        delay_kind=True,
        bound_ns=float(evidence.clock_bound_ns[int(rules.row[i])]),
    )
    if judgements.from_round_trip[i]:
        return Text(
            f"{subject.en} {figure.en}, {ending.en}; by the round trip alone, without clocks.",
            f"{subject.zh}{gap}{figure.zh}，{ending.zh}；仅凭往返时延即可判定，不依赖时钟。",
        )
    return Text(
        f"{subject.en} {figure.en}, {ending.en}.", f"{subject.zh}{gap}{figure.zh}，{ending.zh}。"
    )


def _subject(rules: Rules, i: int) -> Text:
    name = int(rules.statistic[i])
    en, zh = _STATISTIC_EN[name], _STATISTIC_ZH[name]
    if KINDS[rules.kind[i]] == "variation":
        return Text(f"{en} delay variation", f"时延变化{zh}为")
    if KINDS[rules.kind[i]] == "pdv":
        way = (
            ("one-way", "单向")
            if DIRECTIONS[rules.direction[i]] == "one_way"
            else ("round-trip", "往返")
        )
        return Text(f"{en} of {way[0]} delay above its least", f"{way[1]}时延高出最小值的{zh}为")
    over = "（仅计收到的包）" if STATISTICS[name] == "mean" else ""
    received = " over received probes" if STATISTICS[name] == "mean" else ""
    if DIRECTIONS[rules.direction[i]] == "one_way":
        return Text(f"{en} one way{received}", f"单向{zh}{over}为")
    return Text(f"{en} round trip{received}", f"往返{zh}{over}为")


def _conclusion(
    judgements: Judgements, i: int, limit: Text, *, delay_kind: bool, bound_ns: float = math.nan
) -> Text:
    """Return how the interval stands to the limit, and for undecided why and what would help."""
    verdict = int(judgements.verdict[i])
    if verdict == PASS:
        return Text(f"within {limit.en}", f"在 {limit.zh}以内")
    if verdict == FAIL:
        return Text(f"above {limit.en}", f"超过 {limit.zh}")
    factor = LIMITING_FACTORS[judgements.limiting_factor[i]]
    why = (
        _obstacle(judgements, i, factor, bound_ns) if delay_kind else _loss_obstacle(judgements, i)
    )
    return Text(f"limit {limit.en}: {why.en}", f"限值 {limit.zh}：{why.zh}")


def _loss_obstacle(judgements: Judgements, i: int) -> Text:
    if LIMITING_FACTORS[judgements.limiting_factor[i]] == "asymmetry":
        return Text(
            "undecided, as it is unknown in which direction probes were lost",
            "无法判定，因为丢包方向未知",
        )
    return _more_samples(judgements, i)


def _more_samples(judgements: Judgements, i: int) -> Text:
    needed = judgements.needed_samples[i]
    if not math.isfinite(needed):
        return Text("undecided, as the value lies at the limit", "无法判定，因为数值恰在限值附近")
    count = _rounded(float(needed))
    return Text(
        f"undecided, too few probes; about {count:,} more would decide",
        f"样本不足，无法判定，约还需 {count:,} 个探测包",
    )


def _rounded(count: float) -> int:
    """Two significant figures: it is an estimate and should look like one."""
    digits = max(0, math.floor(math.log10(max(count, 1.0))) - 1)
    unit = int(10**digits)
    return math.ceil(count / unit) * unit


def _obstacle(judgements: Judgements, i: int, factor: str, bound_ns: float) -> Text:
    fault = CLOCK_FAULTS[judgements.clock_fault[i]]
    if fault != "none":
        found = _FAULTS[fault]
        return Text(f"undecided, {found.en}", f"无法判定，{found.zh}")
    if factor == "asymmetry" and judgements.pair_fails[i]:
        return Text(
            "at least one direction exceeds it, but without trusted clocks not known which",
            "至少有一个方向超过限值，但没有可信时钟，无法确定是哪个方向",
        )
    if factor == "asymmetry":
        return Text(
            "undecided, as it is unknown in which direction probes were lost",
            "无法判定，因为丢包方向未知",
        )
    if factor == "clock":
        return _clock(judgements, i, bound_ns)
    if factor == "calibration":
        return Text(
            "undecided, our own timestamps are not exact enough", "无法判定，自身时间戳精度不足"
        )
    if factor == "distance":
        return Text(
            "undecided, as the road distance is not known well enough",
            "无法判定，因为公路里程不够精确",
        )
    return _more_samples(judgements, i)


def _clock(judgements: Judgements, i: int, bound_ns: float) -> Text:
    needed = judgements.needed_clock_bound_ns[i]
    help_en = f"; a clock bound below {delay(needed)} would decide" if needed > 0 else ""
    help_zh = f"；时钟误差界小于 {delay(needed, 'zh')} 即可判定" if needed > 0 else ""
    if math.isnan(bound_ns):
        return Text(
            f"undecided, the clocks are not synchronised{help_en}",
            f"时钟未同步，无法判定{help_zh}",
        )
    return Text(
        f"undecided, the clocks are only known to ±{delay(bound_ns)}{help_en}",
        f"时钟误差界为 ±{delay(bound_ns, 'zh')}，无法判定{help_zh}",
    )
